"""The check of an application's modules, in a process of its own (`local.application.code_faults`)."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.application.code_faults import Fault
from local.application.declaration import FILE, Application
from local.errors import CannotStartError

_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of a check: a fault, or the computes on offer, as `GET /computes` lists them."""

    fault: Fault | None
    catalogue: tuple[Mapping[str, Any], ...]

    @property
    def computes(self) -> tuple[str, ...]:
        """The names of the computes."""
        return tuple(str(each["name"]) for each in self.catalogue)


async def check_code(application: Application) -> Checked:
    """Import the application's modules in a new process, and return their fault or their computes.

    Raises:
        CannotStartError: the check itself failed or takes too long.

    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-B", "-m", "local.application.code_faults"),
        *(str(application.folder), application.modules),
        stdout=asyncio.subprocess.PIPE,
        stdin=asyncio.subprocess.DEVNULL,
        cwd=application.folder,
        env={**os.environ, **application.environment},
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise CannotStartError(
            f"The modules {application.modules} of {application.folder} did not finish importing within "
            f"{_SECONDS:g} seconds; move slow work from the top of the modules into the computes."
        ) from None
    if process.returncode != 0:
        raise CannotStartError(f"The check of the modules {application.modules} ended with {process.returncode}.")
    document = json.loads(output)
    return Checked(document["fault"] and Fault(**document["fault"]), tuple(document["computes"]))


async def require_sound_code(application: Application) -> None:
    """Check an application before anything starts.

    Raises:
        CannotStartError: its modules cannot be imported, or their computes cannot be offered together.

    """
    checked = await check_code(application)
    if checked.fault is not None:
        raise CannotStartError(f"{application.folder}: {checked.fault}")


def check_places(application: Application) -> None:
    """Check that each module is in the application's folder.

    Raises:
        CannotStartError: one is not.

    """
    for module in application.declaration.modules:
        place = application.folder.joinpath(*module.split("."))
        if not place.is_dir() and not place.with_suffix(".py").is_file():
            raise CannotStartError(
                f"{application.folder / FILE} offers the module {module}, but there is neither {place}.py nor a folder "
                f"{place}; create one, or name others in `modules`."
            )
