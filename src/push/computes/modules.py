"""The modules that COMPUTE_MODULES names, imported, and what they declare."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType, TracebackType
from typing import TypeVar

from push.errors import DeclarationError, SettingsError


class Declared:
    """What a decorator of this project makes of a function."""

    __slots__ = ()


Kind = TypeVar("Kind", bound=Declared)


def declared_in(name: str, kind: type[Kind]) -> list[Kind]:
    """Import a module, or every module within a package, and return what they declare of a kind.

    Raises:
        SettingsError: a module can't be imported, or nothing of any kind is declared.
        DeclarationError: something can't be offered as it is.

    """
    found = [value for module in _import_all(name) for value in vars(module).values() if isinstance(value, Declared)]
    if not found:
        raise SettingsError(f"COMPUTE_MODULES names {name!r}, which declares no compute. Decorate one with `@compute`.")
    return [value for value in found if isinstance(value, kind)]


def _import_all(name: str) -> Iterator[ModuleType]:
    """Import a module, and if it is a package all modules in it."""
    module = _import(name)
    yield module
    for found in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{name}."):
        if not found.name.endswith(".__main__"):
            yield from _import_all(found.name)


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except DeclarationError:
        raise
    except Exception as exc:
        raise SettingsError(_say_unimportable(name, exc)) from exc


def _say_unimportable(name: str, exc: Exception) -> str:
    if isinstance(exc, SyntaxError):
        return f"{exc.filename}:{exc.lineno}: {exc.msg}. Correct it, so that the module {name!r} can be imported."
    if isinstance(exc, ModuleNotFoundError) and exc.name is not None and f"{name}.".startswith(f"{exc.name}."):
        return f"COMPUTE_MODULES names {name!r}, which can't be imported: {exc}."
    return f"{_last_place(exc.__traceback__)}: the module {name!r} can't be imported: {type(exc).__name__}: {exc}."


def _last_place(traceback: TracebackType | None) -> str:
    """Return file and line of the module's own code, the deepest that is neither this module nor the import system."""
    place = "COMPUTE_MODULES"
    while traceback is not None:
        filename = traceback.tb_frame.f_code.co_filename
        if traceback.tb_frame.f_code.co_name == "<module>" and not filename.startswith("<"):
            place = f"{filename}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return place
