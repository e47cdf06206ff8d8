"""The computes on offer, found by the names of modules and packages."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType, TracebackType

from push.computes.declaring import AnyCompute, Compute
from push.errors import DeclarationError, ErrorCode, RequestError, SettingsError

_MAX_NAME_CHARACTERS = 64


class Registry:
    """The computes on offer, by name."""

    __slots__ = ("_computes",)

    def __init__(self, computes: Iterable[AnyCompute]) -> None:
        self._computes: dict[str, AnyCompute] = {}
        for declared in computes:
            if (other := self._computes.get(declared.name)) is not None:
                raise DeclarationError(
                    f"Two computes are named {declared.name!r}: {other.place} and {declared.place}. Give one of them"
                    " another `name=`."
                )
            self._computes[declared.name] = declared

    def find(self, name: str) -> AnyCompute:
        """Return the compute of that name.

        Raises:
            RequestError: no compute has the name (`unknown_compute`).

        """
        try:
            return self._computes[name]
        except KeyError:
            raise RequestError(_say_unknown(name, self._computes), code=ErrorCode.UNKNOWN_COMPUTE) from None

    @property
    def by_name(self) -> Mapping[str, AnyCompute]:
        """Return all computes by name."""
        return self._computes


def _say_unknown(name: str, known: Iterable[str]) -> str:
    """Say that no compute has this name, and name the registered compute that is closest to it."""
    sentence = f"No compute is named `{name}`."
    if len(name) > _MAX_NAME_CHARACTERS:
        return sentence
    # Only a mistake needs it.
    from difflib import get_close_matches

    close = get_close_matches(name.lower(), known, n=1)
    return f"{sentence} Did you mean `{close[0]}`?" if close else sentence


def load_registry(names: Iterable[str]) -> Registry:
    """Import modules, and every module within packages, and collect the computes that they declare.

    A module may import a compute of another one: each compute counts once.

    Raises:
        SettingsError: a module can't be imported, or a named module or package declares no compute.
        DeclarationError: two computes have one name, or one can't be offered as it is.

    """
    found = [declared for name in names for declared in _declared_in(name)]
    return Registry({id(declared): declared for declared in found}.values())


def _declared_in(name: str) -> list[AnyCompute]:
    declared = [value for module in _import_all(name) for value in vars(module).values() if isinstance(value, Compute)]
    if not declared:
        raise SettingsError(f"COMPUTE_MODULES names {name!r}, which declares no compute. Decorate one with `@compute`.")
    return declared


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
