"""The template of an application's own resources, and the parameters that it gives Pushaside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from local.application.declaration import FILE, Application, Source
from local.application.given_parameters import check_given, read_environment
from local.deploying.deployable_template import leave_out
from local.deploying.deployment import Stack
from local.deploying.output_values import DeferredValues, resolve
from local.deploying.sam_template import read_template
from local.errors import CannotStartError

LOCATION = ".pushaside/template.yaml"
"""The place of Pushaside's template in a built application, from where the application's template brings it in."""

_TABLES = {"AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", "AWS::Serverless::SimpleTable"}
_BUCKETS = {"AWS::S3::Bucket"}


@dataclass(frozen=True, slots=True)
class OwnTemplate:
    """The application's template without Pushaside."""

    application: Application
    body: dict[str, Any]
    given: Mapping[str, Any]
    """The parameters of Pushaside, known after the deployment of `body`."""

    def parameters(self, stack: Stack) -> dict[str, str]:
        """Return the parameters that the application gives Pushaside, with the sources of the deployed stack."""
        resolved = {name: _as_parameter(resolve(value, stack.outputs)) for name, value in self.given.items()}
        application = self.application
        return resolved | {
            # On one machine the computes are in the application's folder, not in a layer.
            "ComputeLayers": "",
            "ComputeModules": application.modules,
            "Sources": json.dumps(_locate_sources(application, stack)),
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
    _check_sources(application, body["Resources"])
    given = (body["Resources"][nested[0]].get("Properties") or {}).get("Parameters") or {}
    check_given(application, given)
    application = replace(application, environment=read_environment(application, given, body.get("Parameters") or {}))
    leave_out(body, {nested[0]})
    return OwnTemplate(application, body, DeferredValues(body).defer(given, None))


def _is_pushaside(resource: Mapping[str, Any]) -> bool:
    location = (resource.get("Properties") or {}).get("Location")
    return resource["Type"] == "AWS::Serverless::Application" and str(location).removeprefix("./") == LOCATION


def _check_sources(application: Application, resources: Mapping[str, Mapping[str, Any]]) -> None:
    declaration = application.declaration
    _check_kind(application, resources, "table", declaration.tables, _TABLES)
    _check_kind(application, resources, "bucket", declaration.buckets, _BUCKETS)


def _check_kind(
    application: Application,
    resources: Mapping[str, Mapping[str, Any]],
    kind: str,
    declared: Mapping[str, Source],
    types: set[str],
) -> None:
    there = sorted(name for name, each in resources.items() if each["Type"] in types)
    for name, source in declared.items():
        if source.is_own and name not in there:
            has = f"it has {', '.join(there)}" if there else f"it has no {kind}"
            raise CannotStartError(
                f"{application.folder / FILE} declares the {kind} {name}, which {application.template.name} does not "
                f"have ({has}); add it there, or set `name` in [{kind}s.{name}]."
            )


def _locate_sources(application: Application, stack: Stack) -> dict[str, dict[str, dict[str, str]]]:
    """Return physical names of tables and buckets by their logical names, in the form of the setting SOURCES."""

    def locate(declared: Mapping[str, Source]) -> dict[str, dict[str, str]]:
        return {name: {"name": source.name or stack.resources.get(name, name)} for name, source in declared.items()}

    declaration = application.declaration
    return {"tables": locate(declaration.tables), "buckets": locate(declaration.buckets)}


def _as_parameter(value: Any) -> str:  # noqa: ANN401  # JSON
    if value is None:
        return ""
    if isinstance(value, list):
        return ",".join(map(_as_parameter, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
