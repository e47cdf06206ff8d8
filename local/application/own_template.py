"""The template of an application's own resources, and the parameters that it gives Pushaside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from local.application.declaration import Application
from local.application.declared_sources import Table
from local.application.given_parameters import check_given, read_environment
from local.application.own_sources import check_resources
from local.application.service_template import add_sources
from local.application.stand_ins import stand_ins
from local.deploying.deployable_template import leave_out
from local.deploying.deployment import Stack
from local.deploying.output_values import DeferredValues, resolve
from local.deploying.sam_template import read_template
from local.errors import CannotStartError

LOCATION = ".pushaside/template.yaml"
"""The place of Pushaside's template in a built application, from where the application's template brings it in."""


@dataclass(frozen=True, slots=True)
class OwnTemplate:
    """The application's template without Pushaside."""

    application: Application
    body: dict[str, Any]
    given: Mapping[str, Any]
    """The parameters of Pushaside."""

    def extend(self, template: Mapping[str, Any]) -> dict[str, Any]:
        """Return Pushaside's template with the sources of the application."""
        return add_sources(template, self.application, self.given, self.body["Resources"])

    def for_one_machine(self) -> OwnTemplate:
        """Return the template as it is deployed here: with stand-ins for what exists elsewhere on AWS."""
        made = list(stand_ins(self.application, self.given, self.body["Resources"]))
        resources = {**self.body["Resources"], **{each.logical_id: each.resource for each in made}}
        given = {**self.given, **{each.parameter: each.value for each in made}}
        body = {**self.body, "Resources": resources, "Outputs": dict(self.body.get("Outputs") or {})}
        return OwnTemplate(_without_streams_elsewhere(self.application), body, DeferredValues(body).defer(given, None))

    def parameters(self, stack: Stack) -> dict[str, str]:
        """Return the parameters that the application gives Pushaside, once `for_one_machine` is deployed as `stack`."""
        resolved = {name: _as_parameter(resolve(value, stack.outputs)) for name, value in self.given.items()}
        application = self.application
        return resolved | {
            # On one machine the computes are in the application's folder, not in a layer.
            "ComputeLayers": "",
            "ComputeModules": application.modules,
            "Topics": application.topics or resolved.get("Topics", ""),
        }


def read_own_template(application: Application) -> OwnTemplate:
    """Read the application's template and take Pushaside out of it.

    Raises:
        CannotStartError: it cannot be read, does not bring in Pushaside, lacks a declared source, or contradicts the
            declaration.

    """
    path = application.template
    body = read_template(path)
    nested = [name for name, each in body["Resources"].items() if _is_pushaside(each)]
    if len(nested) != 1:
        raise CannotStartError(
            f"{path} must bring in Pushaside once: add one resource of type AWS::Serverless::Application with the "
            f"Location {LOCATION}."
        )
    check_resources(application, body["Resources"])
    given = (body["Resources"][nested[0]].get("Properties") or {}).get("Parameters") or {}
    check_given(application, given, body["Resources"])
    application = replace(application, environment=read_environment(application, given, body.get("Parameters") or {}))
    leave_out(body, {nested[0]})
    return OwnTemplate(application, body, given)


def _without_streams_elsewhere(application: Application) -> Application:
    """Leave out the streams of tables that exist elsewhere: neither the tables nor the streams exist here."""
    tables = {
        name: Table(name=table.table_name, indexes=table.indexes) if table.stream is not None else table
        for name, table in application.declaration.tables.items()
    }
    return replace(application, declaration=msgspec.structs.replace(application.declaration, tables=tables))


def _is_pushaside(resource: Mapping[str, Any]) -> bool:
    location = (resource.get("Properties") or {}).get("Location")
    return resource["Type"] == "AWS::Serverless::Application" and str(location).removeprefix("./") == LOCATION


def _as_parameter(value: Any) -> str:  # noqa: ANN401  # JSON
    if value is None:
        return ""
    if isinstance(value, list):
        return ",".join(map(_as_parameter, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
