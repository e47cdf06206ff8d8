"""SAM and CloudFormation templates, read from YAML into CloudFormation's JSON form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from local.errors import CannotStartError

try:
    from yaml import CSafeLoader as SafeLoader  # ten times as fast
except ImportError:  # PyYAML was built without LibYAML
    from yaml import SafeLoader  # type: ignore[assignment]


class _CloudFormationLoader(SafeLoader):
    """A YAML loader with CloudFormation's short function tags and without dates (`2010-09-09` is a string)."""


_CloudFormationLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in SafeLoader.yaml_implicit_resolvers.items()
}


def _construct_function(loader: _CloudFormationLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """Turn `!Name value` into `{"Fn::Name": value}` (`Ref` and `Condition` have no prefix)."""
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_CloudFormationLoader.add_multi_constructor("!", _construct_function)


def load_template(path: Path) -> dict[str, Any]:
    """Return the template at `path`; raise CannotStartError unless it has exactly one WebSocket API."""
    template = read_template(path)
    _check_websocket_api(path, template["Resources"])
    return template


def read_template(path: Path) -> dict[str, Any]:
    """Return the template at `path`; raise CannotStartError if there is none with resources."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise CannotStartError(f"There is no template at {path}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise CannotStartError(f"The template {path} cannot be read: {error}.") from None
    try:
        template = yaml.load(text, _CloudFormationLoader)  # noqa: S506  # a subclass of SafeLoader
    except yaml.YAMLError as error:
        raise CannotStartError(f"The template {path} is not YAML: {_one_line(error)}.") from None
    if not isinstance(template, dict) or not _is_resource_map(template.get("Resources")):
        raise CannotStartError(f"{path} is not a CloudFormation template: it has no Resources.")
    return template


def _is_resource_map(resources: object) -> bool:
    return isinstance(resources, dict) and all(
        isinstance(resource, dict) and isinstance(resource.get("Type"), str) for resource in resources.values()
    )


def _check_websocket_api(path: Path, resources: dict[str, dict[str, Any]]) -> None:
    count = sum(_is_websocket_api(resource) for resource in resources.values())
    if count != 1:
        found = "no WebSocket API" if count == 0 else f"{count} WebSocket APIs"
        raise CannotStartError(f"The template {path} has {found}; the runtime serves exactly one.")


def _is_websocket_api(resource: dict[str, Any]) -> bool:
    if resource["Type"] == "AWS::ApiGatewayV2::Api":
        protocol: object = (resource.get("Properties") or {}).get("ProtocolType")
        return protocol == "WEBSOCKET"
    kind: str = resource["Type"]
    return kind == "AWS::Serverless::WebSocketApi"


def _one_line(error: yaml.YAMLError) -> str:
    return " ".join(str(error).split())
