"""The computes on offer, found by the names of modules and packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from push.computes.declaring import AnyCompute, Compute
from push.computes.modules import declared_in
from push.errors import DeclarationError, ErrorCode, RequestError

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
        SettingsError: a module can't be imported, or a named module or package declares nothing.
        DeclarationError: two computes have one name, or one can't be offered as it is.

    """
    found = [declared for name in names for declared in declared_in(name, Compute)]
    return Registry({id(declared): declared for declared in found}.values())
