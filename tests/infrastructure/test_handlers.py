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


@pytest.mark.parametrize(
    "handler",
    [
        "connect.app.handler",
        "connect.authorizer.handler",
        "request.http_app.handler",
        "notify.webhooks_app.handler",
    ],
)
def test_functions_that_use_no_cache_load_no_redis_client(root: Path, handler: str) -> None:
    assert loaded_modules(root, handler).isdisjoint({"redis", "hiredis"})


@pytest.mark.parametrize("handler", ["connect.app.handler", "request.socket_app.handler", "compute.app.handler"])
def test_functions_that_check_no_tokens_load_no_token_library(root: Path, handler: str) -> None:
    assert loaded_modules(root, handler).isdisjoint({"jwt"})


def test_fan_out_loads_what_makes_patches_once_somebody_asks_for_one(root: Path) -> None:
    assert loaded_modules(root, "notify.fan_out_app.handler").isdisjoint({"jsonpatch", "rfc8785"})


@pytest.mark.parametrize("handler", HANDLERS)
def test_no_function_loads_boto3_before_it_needs_a_service_that_our_own_client_does_not_speak(
    root: Path, handler: str
) -> None:
    assert loaded_modules(root, handler).isdisjoint({"boto3", "s3transfer", "urllib3"})


@pytest.mark.parametrize("handler", HANDLERS)
def test_no_function_loads_the_x_ray_sdk_or_of_botocore_more_than_its_exceptions(root: Path, handler: str) -> None:
    loaded = loaded_modules(root, handler)
    assert loaded.isdisjoint({"aws_xray_sdk", "wrapt", "botocore.session", "botocore.client", "botocore.compat"})


@pytest.mark.parametrize("handler", ["connect.app.handler", "connect.authorizer.handler"])
def test_functions_that_do_one_thing_at_a_time_load_no_event_loop(root: Path, handler: str) -> None:
    assert loaded_modules(root, handler).isdisjoint({"asyncio"})


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
