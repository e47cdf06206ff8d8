"""docs/third-parties.md: the options that show a token open what is closed without them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator

import jwt
import pytest

from tests.documentation.blocks import ROOT
from tests.e2e.conftest import running
from tests.patience import PATIENCE_SECONDS
from tests.third_parties.conftest import NODE_MODULES, Desk, need_package, need_program
from tests.third_parties.terminal import terminal

pytestmark = pytest.mark.slow

ROWS = dict(re.findall(r"^\| (\S.*?) \| `(.*?)`", (ROOT / "docs/third-parties.md").read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "node_modules").symlink_to(NODE_MODULES)
    with running(folder, "--auth", "jwt") as stack:
        yield Desk(stack, folder)


@pytest.fixture(scope="module")
def token(guarded: Desk) -> str:
    stack = guarded.stack
    named = stack.resources()["TokenSecret"]
    secret = stack.client("secretsmanager").get_secret_value(SecretId=named)["SecretString"]
    return jwt.encode({"sub": "somebody", "tenant": "public", "exp": int(time.time()) + 600}, secret, "HS256")


def said(desk: Desk, token: str, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=desk.folder,
        env={**desk.environment(), "TOKEN": token, "SOCKET": desk.stack.websocket},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return done.stdout + done.stderr


def test_wscat(guarded: Desk, token: str) -> None:
    need_package("wscat")
    command = f"""npx wscat --connect {guarded.stack.websocket} {ROWS["wscat"]} --execute '{{"action":"ping"}}'"""
    for shown, line in ((token, '{"type":"pong"}'), ("none", "Unexpected server response: 401")):
        with terminal(command, guarded.folder, {**guarded.environment(), "TOKEN": shown}) as session:
            session.wait_for(line)


def test_ws(guarded: Desk, token: str) -> None:
    need_package("ws")
    program = f"""
      import WebSocket from "ws";
      const {{ SOCKET: url, TOKEN: token }} = process.env;
      const socket = {ROWS["ws"]};
      socket.on("open", () => (console.log("open"), socket.close()));
      socket.on("error", (error) => console.log(error.message));
    """
    node = ("node", "--input-type=module", "--eval", program)
    assert said(guarded, token, *node) == "open\n"
    assert said(guarded, "none", *node) == "Unexpected server response: 401\n"


def test_websocket_client(guarded: Desk, token: str) -> None:
    program = f"""
import os, websocket
url, token = os.environ["SOCKET"], os.environ["TOKEN"]
try:
    {ROWS["websocket-client"]}.close()
    print("open")
except websocket.WebSocketBadStatusException as refused:
    print(refused.status_code)
"""
    assert said(guarded, token, sys.executable, "-c", program) == "open\n"
    assert said(guarded, "none", sys.executable, "-c", program) == "401\n"


def test_curl(guarded: Desk, token: str) -> None:
    need_program("curl")
    url = f"{guarded.stack.http}webhooks/keys"
    command = f"curl --silent {ROWS['curl']} --output {os.devnull} --write-out '%{{http_code}}' {url}"
    assert said(guarded, token, "bash", "-c", command) == "200"
    assert said(guarded, "none", "bash", "-c", command) == "401"
