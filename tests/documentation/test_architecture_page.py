"""docs/architecture.md: the files, functions, handlers, triggers and rooms that it names are those of the project."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from samtranslator.yaml_helper import yaml_parse

from tests.documentation.blocks import ROOT

PAGE = (ROOT / "docs/architecture.md").read_text()
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def marked(begin: str, end: str) -> str:
    """Return the part of the page between two comments."""
    return PAGE.split(f"<!-- {begin} -->")[1].split(f"<!-- {end} -->")[0]


def cells(table: str) -> list[list[str]]:
    """Return the rows of a table without its head."""
    rows = [line.strip("|").split(" |") for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row] for row in rows[2:]]


def named(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


@cache
def functions_of(path: Path) -> set[str]:
    """Return the functions of a module, and its methods as `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, DEFINITIONS):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, DEFINITIONS)}
    return found


STEPS = [
    (flow, re.sub(r"^\[(.*)\]\(\.\./src/\1\)$", r"\1", file), function.strip("`"))
    for flow in ("hit", "miss", "publish")
    for file, function, _ in cells(marked(f"flow: {flow}", "end of flow"))
]


@pytest.mark.parametrize(("flow", "file", "function"), STEPS)
def test_every_step_of_a_flow_is_a_function_of_the_file_it_names(flow: str, file: str, function: str) -> None:
    path = ROOT / "src" / file
    if path.suffix == ".lua":
        assert path.exists()
        assert function == ""
    else:
        assert function in functions_of(path)


@pytest.fixture(scope="module")
def resources() -> dict[str, Any]:
    found: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())["Resources"]
    return found


def reference(value: Any) -> str:
    """Return the logical id that an intrinsic function refers to."""
    name = value.get("Ref") or value["Fn::GetAtt"]
    return (name if isinstance(name, str) else name[0]).partition(".")[0]


def routes(resources: dict[str, Any]) -> dict[str, set[str]]:
    """Return the routes of each function."""
    api = resources["WebSocketApi"]["Properties"]
    found: dict[str, set[str]] = {}
    for route, target in api["Routes"].items():
        found.setdefault(reference(target["FunctionArn"]), set()).add(route)
    found[reference(api["Auth"]["AuthArn"])] = {"WebSocketApi"}
    for resource in resources.values():
        if resource["Type"] == "AWS::ApiGatewayV2::Route":
            integration = resource["Properties"]["Target"]["Fn::Sub"].removeprefix("integrations/${").rstrip("}")
            target = resources[integration]["Properties"].get("IntegrationUri")
            if target:
                found.setdefault(reference(target), set()).add(resource["Properties"]["RouteKey"])
    return found


def sources(resources: dict[str, Any]) -> dict[str, set[str]]:
    """Return the queues and streams that invoke each function."""
    found: dict[str, set[str]] = {}
    for resource in resources.values():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":
            mapping = resource["Properties"]
            found.setdefault(reference(mapping["FunctionName"]), set()).add(reference(mapping["EventSourceArn"]))
    return found


def test_the_table_of_functions_is_that_of_the_template(resources: dict[str, Any]) -> None:
    routes_of, sources_of = routes(resources), sources(resources)
    default = yaml_parse((ROOT / "template.yaml").read_text())["Globals"]["Function"]["Timeout"]
    deployed = {
        name: (
            resource["Properties"]["Handler"].removesuffix(".handler"),
            routes_of.get(name, set()),
            sources_of.get(name, set()),
            str(resource["Properties"].get("Timeout", default)),
        )
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    documented = {
        function.strip("`"): (handler.strip("`"), named(routed), named(sourced), timeout)
        for function, handler, routed, sourced, timeout in cells(marked("functions", "end of functions"))
    }
    assert documented == deployed


def test_every_room_is_in_the_table_and_every_row_is_a_room() -> None:
    documented = {room.strip("`") for room, _ in cells(PAGE.split("## The rooms")[1])}
    packages = {
        path.parent.relative_to(ROOT).as_posix()
        for parent in ("src/*", "src/request/*", "src/push/*", "src/push/adapters/*", "local/*")
        for path in ROOT.glob(f"{parent}/__init__.py")
    }
    assert {room for room in documented if not (ROOT / room).is_dir()} == set()
    assert packages <= documented
