"""What the suite looks at: a stack of `stack/`, deployed somewhere, and what that place can show."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import boto3
import pytest
from botocore.config import Config

STACKS = Path(__file__).parent / "stack"


class Trait(StrEnum):
    """What some facts need to be seen at all; the value says what is missing where a target has not got it."""

    SHORT_LIMITS = "its idle and duration limits cannot be shortened"
    RECORDED_EVENTS = "the table in which the handlers record events cannot be read"
    FUNCTION_CONCURRENCY = "it does not keep to functions' reserved concurrency"
    ROUTE_THROTTLING = "it does not keep to the throttling of routes"
    HTTP_API = "it serves no HTTP API"


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds that a connection may be idle or open; None leaves API Gateway's."""

    idle_seconds: float | None = None
    connection_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """One deployed stack. `aws_endpoint` is where DynamoDB is, None for AWS itself."""

    websocket_url: str
    management_endpoint: str
    http_url: str | None
    aws_endpoint: str | None
    events_table: str | None
    region: str
    traits: frozenset[Trait]

    def client(self, service: str, endpoint_url: str | None = None) -> Any:
        """Return a boto3 client that tries once; credentials are invented unless the target is AWS."""
        invented = {} if self.aws_endpoint is None else INVENTED_CREDENTIALS
        make_client: Any = boto3.client  # typed by services' names otherwise
        return make_client(
            service,
            region_name=self.region,
            endpoint_url=endpoint_url or self.aws_endpoint,
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20),
            **invented,
        )

    def management(self) -> Any:
        """Return a boto3 client for `@connections`."""
        return self.client("apigatewaymanagementapi", self.management_endpoint)

    def need(self, trait: Trait) -> None:
        """Skip the test when the target lacks `trait`."""
        if trait not in self.traits:
            pytest.skip(trait.value)


class Targets(Protocol):
    """Where stacks are deployed."""

    def deployed(self, stack: str, limits: Limits) -> AbstractContextManager[Target]:
        """Give the deployed `stack/<stack>.yaml`; skip the test when there is none with these limits."""


INVENTED_CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}


class NamedTargets:
    """Stacks that are deployed already, named by a TOML file (see README.md)."""

    def __init__(self, file: Path) -> None:
        self._named = tomllib.loads(file.read_text())

    @contextmanager
    def deployed(self, stack: str, limits: Limits) -> Iterator[Target]:
        """Give the target that the file names."""
        if limits != Limits():
            pytest.skip(Trait.SHORT_LIMITS.value)
        if stack not in self._named.get("stacks", {}):
            pytest.skip(f"stack/{stack}.yaml is not among the targets")
        yield _named_target(self._named, self._named["stacks"][stack])


def _named_target(common: Mapping[str, Any], stack: Mapping[str, Any]) -> Target:
    traits = {Trait[name.upper()] for name in common["traits"]} - {Trait.SHORT_LIMITS}
    return Target(
        websocket_url=stack["websocket_url"],
        management_endpoint=stack["management_endpoint"],
        http_url=stack.get("http_url"),
        aws_endpoint=common.get("aws_endpoint"),
        events_table=stack.get("events_table"),
        region=common["region"],
        traits=frozenset(traits),
    )
