"""The check of an application's modules, in a process of its own: `python -m local.application.code_check ...`.

The process imports the modules as the functions do, and prints a JSON document: the fault, or the names of the
computes.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import sys
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from local.application.declaration import FILE, Application
from local.errors import CannotStartError
from pushaside_service import CODE

_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the application's code; `file` and `line` are empty if no line of the application is at fault."""

    file: str
    line: int
    sentence: str

    def __str__(self) -> str:
        """Return one sentence with the place."""
        return f"{self.file}, line {self.line}: {self.sentence}" if self.file else self.sentence


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of a check: a fault, or the names of the computes on offer."""

    fault: Fault | None
    computes: tuple[str, ...]


async def check_code(application: Application) -> Checked:
    """Import the application's modules in a new process, and return their fault or their computes.

    Raises:
        CannotStartError: the check itself failed or takes too long.

    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-B", "-m", "local.application.code_check"),
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


def describe(error: BaseException, folder: Path) -> Fault:
    """Return the fault behind an error of an import."""
    chain = list(_chain(error))
    for each in reversed(chain):
        if isinstance(each, SyntaxError) and each.filename:
            return Fault(_relative(each.filename, folder), each.lineno or 0, f"{each.msg}.")
    sentence = _sentence(chain[0])
    for each in reversed(chain):
        for frame in reversed(traceback.extract_tb(each.__traceback__)):
            if _is_of(frame.filename, folder):
                # A declaration that is refused begins with its own place.
                sentence = re.sub(rf"^{re.escape(frame.filename)}:\d+: ", "", _sentence(each))
                return Fault(_relative(frame.filename, folder), frame.lineno or 0, sentence)
    return Fault("", 0, sentence)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes."""
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def _sentence(error: BaseException) -> str:
    text = str(error).rstrip(".")
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.partition(".")[0]
        return f"{text}. Add {top} to requirements.txt and install it with `pip install -r requirements.txt`."
    if type(error).__name__ in {"SettingsError", "DeclarationError"}:
        return f"{text}."
    return f"{type(error).__name__}: {text}."


def _is_of(filename: str, folder: Path) -> bool:
    return Path(filename).is_relative_to(folder)


def _relative(filename: str, folder: Path) -> str:
    return os.path.relpath(filename, folder) if _is_of(filename, folder) else filename


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


def main(folder: Path, modules: str) -> None:
    """Import the modules and print the outcome; what they print themselves goes to standard error."""
    answer = os.dup(1)
    os.dup2(2, 1)
    sys.path[:0] = [str(CODE), str(folder)]
    fault, computes = None, ()
    try:
        computes = importlib.import_module("push.computes").load_registry(modules.split(",")).by_name
    except BaseException as error:  # noqa: BLE001  # a module may raise anything
        fault = describe(error, folder)
    os.write(answer, json.dumps({"fault": fault and asdict(fault), "computes": list(computes)}).encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
