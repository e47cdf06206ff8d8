"""The check that the parameters that an application's template gives Pushaside agree with `pushaside.toml`.

`pushaside local` takes modules, sources and topics from `pushaside.toml`. A deployed stack takes them from the
template. Values that CloudFormation computes from other parameters are known only at the deployment, and pass.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from local.application.declaration import FILE, Application
from local.application.given_sources import check_given_sources
from local.application.own_sources import Resources
from local.application.service_template import add_sources
from local.deploying.sam_template import read_template
from local.errors import CannotStartError
from pushaside.cli.suggestions import suggest
from pushaside_service import TEMPLATE

_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def check_given(application: Application, given: Mapping[str, Any], resources: Resources) -> None:
    """Check the parameters of Pushaside in the application's template, which has `resources`.

    Raises:
        CannotStartError: one of them contradicts `pushaside.toml`.

    """
    check_given_sources(application, given, resources)
    known = add_sources(read_template(TEMPLATE), application, given, resources)["Parameters"]
    _check_names(f"{application.template} gives Pushaside", given, known)
    _check_names(f"[parameters] in {application.folder / FILE} names", application.parameters, known)
    _check_modules(application, given.get("ComputeModules", ""))
    _check_topics(application, given.get("Topics", ""))


def read_environment(
    application: Application, given: Mapping[str, Any], parameters: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Return the environment variables of the computes, with the defaults of the template's own parameters.

    What only a deployment knows is `x`. If CloudFormation computes the whole parameter, no variable is known.

    Raises:
        CannotStartError: ComputeEnvironment is not a JSON object of strings.

    """
    text = _text_of(given.get("ComputeEnvironment", ""), parameters)
    variables: dict[str, str] = _read_json(application, "ComputeEnvironment", text, dict) if text else {}
    for name, value in variables.items():
        if not isinstance(value, str):
            raise CannotStartError(
                f"ComputeEnvironment in {application.template} gives {name} a value that is not a string; quote it."
            )
    return variables


def _check_names(place: str, given: Iterable[str], known: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise CannotStartError(
                f"{place} the parameter {name}, which Pushaside does not have.{suggest(name, known)}"
            )


def _check_modules(application: Application, given: Any) -> None:  # noqa: ANN401  # JSON
    if not isinstance(given, str):
        return
    modules = [name.strip() for name in given.split(",") if name.strip()]
    if set(modules) != set(application.declaration.modules):
        raise CannotStartError(
            f"{application.template} gives Pushaside {_named('ComputeModules', modules)}, but {FILE} offers "
            f"{_listed(application.declaration.modules)}; write `ComputeModules: {application.modules}`, or change "
            "`modules`."
        )


def _check_topics(application: Application, given: Any) -> None:  # noqa: ANN401  # JSON
    text = _text_of(given)
    if not text or not application.declaration.topics:
        return
    if _read_json(application, "Topics", text, list) != json.loads(application.topics):
        raise CannotStartError(
            f"Topics in {application.template} differs from [[topics]] in {FILE}; remove Topics, and `pushaside build` "
            "takes the namespaces from there."
        )


def _text_of(value: Any, parameters: Mapping[str, Mapping[str, Any]] = {}) -> str | None:  # noqa: ANN401  # JSON
    """Return a text with defaults of parameters, else `x`, for its variables; None if only CloudFormation knows it."""

    def known(variable: re.Match[str]) -> str:
        return str(parameters.get(variable[1], {}).get("Default", "x"))

    match value:
        case str():
            return value
        case {"Fn::Sub": str() as text} | {"Fn::Sub": [str() as text, *_]}:
            return _VARIABLE.sub(known, text)
        case _:
            return None


def _read_json(application: Application, name: str, text: str, kind: type) -> Any:  # noqa: ANN401  # JSON
    try:
        document = json.loads(text)
    except ValueError as error:
        raise CannotStartError(f"{name} in {application.template} is not JSON: {error}.") from None
    if not isinstance(document, kind):
        raise CannotStartError(
            f"{name} in {application.template} must be a JSON {'object' if kind is dict else 'array'}."
        )
    return document


def _named(name: str, values: Collection[str]) -> str:
    return f"the {name} {','.join(values)}" if values else f"no {name}"


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"
