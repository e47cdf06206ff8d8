"""The stack with `--auth jwt`: who gets in, and whose data it is."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterator

import jwt
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Origin

import pushaside
from tests.e2e.conftest import Stack, running

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("guarded"), "--auth", "jwt") as started:
        yield started


def make_token(stack: Stack, tenant: str, **claims: object) -> str:
    name = stack.resources()["TokenSecret"]
    secret = stack.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"]
    payload = {"sub": "somebody", "tenant": tenant, "exp": int(time.time()) + 600, **claims}
    return jwt.encode(payload, secret, algorithm="HS256")


async def test_without_a_token_nobody_connects(guarded: Stack) -> None:
    with pytest.raises(pushaside.UnauthorizedError):
        async with pushaside.connect(guarded.websocket):
            pass


async def test_with_an_expired_token_nobody_connects(guarded: Stack) -> None:
    token = make_token(guarded, "public", exp=int(time.time()) - 600)
    with pytest.raises(pushaside.UnauthorizedError):
        async with pushaside.connect(guarded.websocket, token=token):
            pass


async def test_a_tenant_sees_its_own_documents_and_no_others(guarded: Stack) -> None:
    params = {"collection": "airports", "ids": ["TX"], "query": "length(@)"}
    async with pushaside.connect(guarded.websocket, token=make_token(guarded, "public")) as client:
        own = await client.request("documents", params)
    async with pushaside.connect(guarded.websocket, token=make_token(guarded, "other")) as client:
        with pytest.raises(pushaside.NotFoundError):
            await client.request("documents", params)

    assert own.data > 100


def get_ticket(guarded: Stack) -> str:
    request = urllib.request.Request(
        f"{guarded.http.rstrip('/')}/tickets",
        method="POST",
        headers={"Authorization": f"Bearer {make_token(guarded, 'public')}"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 201
        ticket: str = json.load(answer)["ticket"]
    return ticket


async def test_a_ticket_opens_one_connection_and_no_second(guarded: Stack) -> None:
    url = f"{guarded.websocket}?ticket={await asyncio.to_thread(get_ticket, guarded)}"
    async with connect(url, origin=Origin("https://app.example.com")) as socket:
        await socket.send('{"action":"ping"}')
        assert json.loads(await socket.recv()) == {"type": "pong"}
    with pytest.raises(Exception, match="401"):
        async with connect(url, origin=Origin("https://app.example.com")):
            pass
