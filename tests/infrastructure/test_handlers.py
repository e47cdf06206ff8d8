"""Handlers import anywhere: with an empty environment, opening nothing, loading only what their function needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE_SECONDS

HANDLERS = (
    "connect.app.handler",
    "connect.authorizer.handler",
    "request.socket_app.handler",
    "request.http_app.handler",
    "request.queue_app.handler",
    "request.results_app.handler",
    "request.topics_app.handler",
    "compute.app.handler",
    "notify.deliveries_app.handler",
    "notify.changes_app.handler",
    "notify.fan_out_app.handler",
    "notify.webhooks_app.handler",
)
ALL = frozenset(handler.removesuffix(".handler") for handler in HANDLERS)
CALLERS_OF_AWS = ALL - {"connect.authorizer"}
USERS_OF_REDIS = ALL - {"connect.app", "connect.authorizer", "request.http_app", "notify.webhooks_app"}
VERIFIERS_OF_TOKENS = frozenset({"request.http_app", "request.results_app", "request.topics_app"})
"""The authorizer verifies tokens too, but loads the libraries only where tokens are required."""

PUSHERS = frozenset({"compute.app", "notify.deliveries_app", "notify.fan_out_app"})
ENGINES = frozenset({"request.socket_app", "request.queue_app", "request.results_app"})
USERS: dict[str, frozenset[str]] = {
    # Packages of the standard library and of others.
    "asyncio": ALL - {"connect.app", "connect.authorizer"},
    "cryptography.x509": VERIFIERS_OF_TOKENS,
    "hiredis": USERS_OF_REDIS,
    "httptools": CALLERS_OF_AWS,
    "idna": frozenset({"request.http_app", "notify.webhooks_app"}),
    "jsonpatch": frozenset(),
    "jwt": VERIFIERS_OF_TOKENS,
    "redis": USERS_OF_REDIS,
    "rfc8785": frozenset(),
    "ssl": CALLERS_OF_AWS,
    # Rooms of the core, and modules that load much more than the rest of their room.
    "push.access": ALL - {"request.queue_app", "notify.deliveries_app", "notify.webhooks_app"},
    "push.cache": USERS_OF_REDIS - {"request.topics_app"},
    "push.changes": frozenset({"notify.changes_app"}),
    "push.computes": ALL,
    "push.computes.declaring": ENGINES | VERIFIERS_OF_TOKENS | {"compute.app", "notify.deliveries_app"},
    "push.delivery": PUSHERS | {"request.socket_app"},
    "push.durable": frozenset(
        {"request.http_app", "request.queue_app", "compute.app", "notify.deliveries_app", "notify.webhooks_app"}
    ),
    "push.hooks": frozenset({"request.topics_app"}),
    "push.protocol": ALL - {"connect.app", "connect.authorizer"},
    "push.queues": CALLERS_OF_AWS,
    "push.results": USERS_OF_REDIS - {"request.topics_app"},
    "push.sources": frozenset({"request.http_app", "compute.app", "notify.changes_app"}),
    "push.sources.contexts": frozenset({"compute.app"}),
    "push.testing": frozenset(),
    "push.topics": PUSHERS | {"connect.app", "request.socket_app", "request.topics_app", "notify.changes_app"},
    # Rooms of the adapters.
    "push.adapters.aws": CALLERS_OF_AWS,
    "push.adapters.dynamodb": CALLERS_OF_AWS,
    "push.adapters.management": PUSHERS,
    "push.adapters.redis": USERS_OF_REDIS,
    "push.adapters.s3": CALLERS_OF_AWS - {"connect.app", "request.topics_app"},
    "push.adapters.secrets": VERIFIERS_OF_TOKENS | {"notify.webhooks_app"},
    "push.adapters.sqs": CALLERS_OF_AWS,
    "push.adapters.tokens": VERIFIERS_OF_TOKENS,
    "push.adapters.wiring": ALL,
    # Rooms of the functions.
    "request.asking": ENGINES | {"request.http_app"},
    "request.durable": frozenset({"request.http_app", "request.queue_app"}),
    "request.subscribing": frozenset({"request.socket_app", "request.topics_app"}),
    "request.wiring": ENGINES | {"request.http_app", "request.topics_app"},
}
"""The functions whose cold start may load a package, a room or a module; no other function does."""

IMPORT = """
import importlib, json, socket, sys

def refuse(*_arguments, **_keywords):
    raise AssertionError("a socket was opened while importing")

socket.socket.connect = refuse
sys.path.insert(0, sys.argv[1])
handler = getattr(importlib.import_module(sys.argv[2]), sys.argv[3])
assert callable(handler)
print(json.dumps(sorted(sys.modules)))
"""


@cache
def loaded_modules(root: Path, handler: str) -> frozenset[str]:
    module, _, name = handler.rpartition(".")
    command = [sys.executable, "-I", "-c", IMPORT, str(root / "src"), module, name]
    ended = subprocess.run(command, env={}, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert ended.returncode == 0, ended.stderr
    return frozenset(json.loads(ended.stdout.splitlines()[-1]))


def test_the_template_names_exactly_these_handlers(template: dict[str, Any]) -> None:
    functions = [each for each in template["Resources"].values() if each["Type"] == "AWS::Serverless::Function"]
    assert sorted(each["Properties"]["Handler"] for each in functions) == sorted(HANDLERS)


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_imports_with_an_empty_environment_and_opens_nothing(root: Path, handler: str) -> None:
    assert loaded_modules(root, handler)


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_cold_start_loads_no_package_and_no_room_that_its_function_does_not_use(root: Path, handler: str) -> None:
    loaded, function = loaded_modules(root, handler), handler.removesuffix(".handler")
    foreign = [name for name, users in USERS.items() if function not in users]
    assert [name for name in foreign if any(f"{module}.".startswith(f"{name}.") for module in loaded)] == []


def test_every_room_names_the_functions_that_may_load_it(root: Path) -> None:
    folders = [root / "src" / name for name in ("push", "push/adapters", "request")]
    rooms = {path.parent for folder in folders for path in folder.glob("*/__init__.py")}
    names = {".".join(path.relative_to(root / "src").parts) for path in rooms}
    assert names - {"push.adapters"} <= USERS.keys()


@pytest.mark.parametrize("handler", HANDLERS)
def test_no_function_loads_boto3_before_it_needs_a_service_that_our_own_client_does_not_speak(
    root: Path, handler: str
) -> None:
    assert loaded_modules(root, handler).isdisjoint({"boto3", "s3transfer", "urllib3"})


@pytest.mark.parametrize("handler", HANDLERS)
def test_no_function_loads_the_x_ray_sdk_or_of_botocore_more_than_its_exceptions(root: Path, handler: str) -> None:
    loaded = loaded_modules(root, handler)
    assert loaded.isdisjoint({"aws_xray_sdk", "wrapt", "botocore.session", "botocore.client", "botocore.compat"})


@pytest.mark.parametrize(
    ("handler", "most"),
    [("connect.app.handler", 280), ("connect.authorizer.handler", 230), ("request.socket_app.handler", 475)],
)
def test_what_a_handshake_or_a_message_waits_for_loads_few_modules(root: Path, handler: str, most: int) -> None:
    """A tenth more than they load; a client of AWS or a telemetry library is hundreds."""
    assert len(loaded_modules(root, handler)) <= most


@pytest.mark.parametrize(
    "handler",
    [
        each
        for each in HANDLERS
        if not each.startswith(("request.http_app", "request.results_app", "request.topics_app"))
    ],
)
def test_in_lambda_a_function_that_lacks_a_setting_does_not_start_and_says_which(root: Path, handler: str) -> None:
    module, _, name = handler.rpartition(".")
    command = [sys.executable, "-I", "-c", IMPORT, str(root / "src"), module, name]
    environment = {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AUTH_MODE": "jwt"}
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert ended.returncode != 0
    assert re.search(r"SettingsError: .*missing required field `[a-z_]+`", ended.stderr), ended.stderr
