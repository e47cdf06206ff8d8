"""Before the gateway hangs up: subscribers are told, with its limit shortened."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import websockets

from tests.e2e.conftest import running

pytestmark = pytest.mark.slow

LASTS_SECONDS = 12


async def test_a_subscriber_is_told_bye_before_the_connection_is_closed(tmp_path: Path) -> None:
    with running(tmp_path, "--max-connection", str(LASTS_SECONDS)) as stack:
        async with websockets.connect(stack.websocket) as socket:
            await socket.send(json.dumps({"action": "hello", "id": "1"}))
            welcome = json.loads(await socket.recv())
            await socket.send(json.dumps({"action": "subscribe", "id": "2", "topic": "news:quiet"}))
            subscribed = json.loads(await socket.recv())
            async with asyncio.timeout(LASTS_SECONDS + 5):
                bye = json.loads(await socket.recv())
                with pytest.raises(websockets.ConnectionClosed):
                    await socket.recv()
    assert welcome["reconnect_after_seconds"] == LASTS_SECONDS * 11 / 12
    assert subscribed["type"] == "subscribed"
    assert (bye["type"], bye["code"], bye["retry"]) == ("bye", 1001, True)
    assert 0 <= bye["after_ms"] <= LASTS_SECONDS * 1000 / 12
