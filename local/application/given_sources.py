"""The parameters by which an application's template gives Pushaside the sources that it declares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from local.application.declaration import Application
from local.application.declared_sources import Bucket, Events, Notifications, Source, Stream, Table
from local.application.own_sources import Resources, is_own_bus
from local.errors import CannotStartError

OLDER = "Sources"
"""The one parameter that earlier versions took for all sources."""


def check_given_sources(application: Application, given: Mapping[str, Any], resources: Resources) -> None:
    """Check that the template gives each source that it declares.

    Raises:
        CannotStartError: it does not; the sentence says what to write.

    """
    expected = own_parameters(application, resources)
    if OLDER in given:
        instead = f"and write {_lines(expected)} in its place" if expected else "because it declares none"
        raise CannotStartError(
            f"{application.template} gives Pushaside the parameter {OLDER}, which it no longer has; remove it, "
            f"{instead}."
        )
    missing = {name: value for name, value in expected.items() if name not in given}
    if missing:
        raise CannotStartError(
            f"{application.template} does not give Pushaside every declared source; write {_lines(missing)} among the "
            "Parameters of the nested application."
        )
    for name, value in expected.items():
        if _is_reference(given[name]) and _normal(given[name]) != value:
            raise CannotStartError(
                f"{application.template} gives Pushaside another {name} than the declared source; write "
                f"{_lines({name: value})}."
            )


def own_parameters(application: Application, resources: Resources) -> dict[str, Any]:
    """Return the parameters, with their values, of the sources that the application's template declares."""
    return {
        parameter: value
        for _, name, source in application.declaration.sections()
        for parameter, value in _parameters_of(name, source, resources)
    }


def _parameters_of(name: str, source: Source, resources: Resources) -> Iterator[tuple[str, Any]]:
    if isinstance(source, Events):
        if is_own_bus(source, resources):
            yield f"{name}Bus", {"Ref": source.bus}
        return
    if not source.is_own:
        return
    match source:
        case Table():
            yield f"{name}Table", {"Ref": name}
            yield f"{name}Stream", {"Fn::GetAtt": [name, "StreamArn"]}
        case Bucket():
            yield f"{name}Bucket", {"Ref": name}
        case Stream():
            yield f"{name}Stream", {"Fn::GetAtt": [name, "Arn"]}
        case Notifications():
            yield f"{name}Topic", {"Ref": name}


def _lines(parameters: Mapping[str, Any]) -> str:
    """Return the lines of a template, as words of a sentence."""
    lines = [f"`{name}: {_short(value)}`" for name, value in parameters.items()]
    return " and ".join([", ".join(lines[:-1]), lines[-1]] if len(lines) > 1 else lines)


def _short(value: Mapping[str, Any]) -> str:
    return f"!Ref {value['Ref']}" if "Ref" in value else f"!GetAtt {'.'.join(value['Fn::GetAtt'])}"


def _is_reference(value: object) -> bool:
    return isinstance(value, Mapping) and bool({"Ref", "Fn::GetAtt"} & set(value))


def _normal(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a reference in the form that the reader of templates gives the short one."""
    attribute = value.get("Fn::GetAtt")
    return {"Fn::GetAtt": attribute.split(".", 1)} if isinstance(attribute, str) else value
