"""The catalogue of an application's computes, for commands that work from its folder."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local.application.code_check import check_code, check_places
from local.application.declaration import read_application
from local.errors import CannotStartError
from pushaside.cli.catalogues import CatalogueUnavailableError


def read_catalogue(folder: Path) -> Sequence[Mapping[str, Any]]:
    """Return the computes of the application in `folder`, as `GET /computes` lists them.

    Raises:
        CatalogueUnavailableError: there is no application, or its modules cannot be imported.

    """
    try:
        application = read_application(folder)
        check_places(application)
        checked = asyncio.run(check_code(application))
    except CannotStartError as error:
        raise CatalogueUnavailableError(str(error)) from error
    if checked.fault is not None:
        raise CatalogueUnavailableError(f"{application.folder}: {checked.fault}")
    return checked.catalogue
