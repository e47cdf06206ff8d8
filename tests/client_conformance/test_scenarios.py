"""The scenarios themselves: each is well formed, and what the service sends is of the protocol, or bad on purpose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema_rs import Draft7Validator, Draft202012Validator

from tests.client_conformance.catalogue import HERE, Scenario, load_clients, load_scenarios, read_json, scenario_files
from tests.client_conformance.messages import make_welcome, messages_of

SCENARIOS = load_scenarios()
# LibYAML reads it ten times as fast, where PyYAML has it; every collection reads it.
DOCUMENT = yaml.load(
    (HERE.parents[1] / "docs" / "asyncapi.yaml").read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
)
_ANY_MESSAGE = {"id": "q-1", "message_id": "q-1"}


def make_validator(schema: str) -> Draft7Validator:
    return Draft7Validator({"$ref": f"#/components/schemas/{schema}", "components": DOCUMENT["components"]})


def validators(action: str) -> dict[str, Draft7Validator]:
    """Make those of the messages that the service receives or sends, by their `action` or `type`."""
    schemas = DOCUMENT["components"]["schemas"]
    return {
        schemas[name]["properties"][action]["const"]: make_validator(name)
        for name in (
            message["payload"]["$ref"].split("/")[-1] for message in DOCUMENT["components"]["messages"].values()
        )
        if action in schemas[name]["properties"]
    }


SENT = validators("type")
RECEIVED = validators("action")
GATEWAY_ERROR = make_validator("GatewayError")


def find_faults(message: Mapping[str, Any]) -> list[str]:
    """Say why a message of the service is none of the protocol."""
    if "type" not in message:
        return [error.message for error in GATEWAY_ERROR.iter_errors(message)]
    kind = message["type"]
    if not isinstance(kind, str) or kind not in SENT:
        return [f"there is no type {kind!r}"]
    if kind == "chunk" and message["index"] == message["count"]:
        return ["its index is too large, which no schema can say"]
    return [error.message for error in SENT[kind].iter_errors(message)]


def sent_by(scenario: Scenario) -> Iterator[tuple[bool, Mapping[str, Any]]]:
    """Give what the service sends in a scenario, and whether that is bad on purpose."""
    links = {name: f"http://127.0.0.1:8765/links/{name}" for name in scenario["links"]}
    names: dict[str, Any] = defaultdict(lambda: _ANY_MESSAGE, links=links)
    for connection in scenario["service"]:
        yield False, make_welcome("h-1", connection.get("welcome", {}))
        for step in connection.get("steps", []):
            for message in messages_of(step, names):
                yield "bad" in step, message


SCHEMA = Draft202012Validator(read_json(HERE / "schema.json"))


@pytest.mark.parametrize("path", scenario_files(), ids=lambda path: path.stem)
def test_files_fit_their_schema(path: Path) -> None:
    assert [f"{error.instance_path}: {error.message}" for error in SCHEMA.iter_errors(read_json(path))] == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_what_the_service_sends_is_of_the_protocol_or_bad_on_purpose(name: str) -> None:
    for is_bad, message in sent_by(SCENARIOS[name]):
        assert bool(find_faults(message)) is is_bad, (message, find_faults(message))


def test_all_types_of_messages_occur() -> None:
    sent = {message.get("type", "gateway") for each in SCENARIOS.values() for bad, message in sent_by(each) if not bad}
    assert sent == {*SENT, "gateway"}


def test_what_clients_lack_is_needed_somewhere_and_has_a_reason() -> None:
    needed = {need for scenario in SCENARIOS.values() for need in scenario["needs"]}
    for lacks in load_clients().values():
        assert lacks.keys() <= needed
        assert all(reason.endswith(".") for reason in lacks.values())
