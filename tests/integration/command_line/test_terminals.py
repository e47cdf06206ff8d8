"""What people see who sit in front of a terminal."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from pushaside.cli.exits import Exit
from tests.integration.client.scripted_server import Peer, ScriptedServer
from tests.integration.client.topic_server import LIVE_TOPIC, Topics
from tests.integration.command_line.terminal import Terminal
from tests.integration.tools.test_load import Service

pytestmark = pytest.mark.slow

pytest.importorskip("rich")

BOARD = ["--compute", "leaderboard", "--params", '{"board":"b"}']


def board(**scores: int) -> list[dict]:
    return [{"member": member, "score": score} for member, score in scores.items()]


async def test_a_live_result_is_a_table_that_marks_what_changed() -> None:
    topics = Topics()
    await topics.publish(LIVE_TOPIC, board(ann=3, ben=2, cyd=1))
    async with ScriptedServer(topics.answer) as server, Terminal("subscribe", *BOARD, "--url", server.url) as terminal:
        first = await terminal.until(r"● live · 1 update ·")
        await topics.publish(LIVE_TOPIC, board(ben=4, ann=3, dan=2))
        shown = (await terminal.until(r"● live · 2 updates.*1 gone"))[len(first) :]
        terminal.process.send_signal(2)
        code = await terminal.wait()

    assert LIVE_TOPIC in first
    assert not re.search(r"^ ?[+▲▼●] +(ann|ben|cyd)", first, re.MULTILINE)
    assert re.findall(r"^ ?([+▲▼●]) +(\w+) +(\d)", shown, re.MULTILINE)[-3:] == [
        ("▲", "ben", "4"),
        ("▼", "ann", "3"),
        ("+", "dan", "2"),
    ]
    assert code == Exit.INTERRUPTED
    assert "Traceback" not in terminal.text


async def test_a_live_result_shows_that_the_connection_is_lost() -> None:
    topics = Topics()
    await topics.publish(LIVE_TOPIC, board(ann=1))
    async with ScriptedServer(topics.answer) as server, Terminal("subscribe", *BOARD, "--url", server.url) as terminal:
        await terminal.until("● live")
        server.refuse(503)
        topics.subscribers[LIVE_TOPIC][0].cut()
        await terminal.until("connection lost, reconnecting")


async def test_messages_of_a_channel_are_lines() -> None:
    topics = Topics()
    arguments = ("subscribe", "prices:eur", "--since", "e1:0", "--count", "1")
    await topics.publish("prices:eur", {"bid": 1})
    async with ScriptedServer(topics.answer) as server, Terminal(*arguments, "--url", server.url) as terminal:
        assert await terminal.wait() == Exit.OK

    assert re.search(r'\d\d:\d\d:\d\d\.\d{3} · e1:1 · \{"bid":1\}', terminal.text)


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}], ids=["colour", "NO_COLOR"])
async def test_colours_are_left_out_where_they_are_not_wanted(variables: dict[str, str]) -> None:
    topics = Topics()
    await topics.publish(LIVE_TOPIC, board(ann=1))
    async with (
        ScriptedServer(topics.answer) as server,
        Terminal("subscribe", *BOARD, "--count", "1", "--url", server.url, **variables) as terminal,
    ):
        assert await terminal.wait() == Exit.OK

    assert terminal.has_colours is (not variables)


async def in_pieces(peer: Peer) -> None:
    request = await peer.receive()
    result = {"type": "result", "id": request["id"], "key": "documents@1:ab12", "etag": "5f2a", "cache": "hit"}
    text = json.dumps({**result, "age_ms": 0, "data": ["x" * 40] * 40})
    size = len(text) // 4 + 1
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    await peer.say(type="accepted", id=request["id"])
    for index, piece in enumerate(pieces):
        await peer.say(type="chunk", id=request["id"], index=index, count=len(pieces), data=piece)
        await asyncio.sleep(0.3)  # as long as a large result takes on a thin line: it is to be seen


async def test_a_large_result_shows_how_many_of_its_pieces_are_there() -> None:
    async with ScriptedServer(in_pieces) as server, Terminal("request", "documents", "--url", server.url) as terminal:
        assert await terminal.wait() == Exit.OK

    assert re.search(r"receiving pieces .* of 4 pieces", terminal.text)
    assert "hit · " in terminal.text


async def test_load_shows_a_table_while_it_runs() -> None:
    arguments = ("load", "--rate", "50", "--duration", "2.5", "--connections", "2")
    async with ScriptedServer(Service().script) as server, Terminal(*arguments, "--url", server.url) as terminal:
        await terminal.until(r"[\d.]+ of 2\.5 s.*last second.*total.*results +[1-9]\d*/s.*lost +0 +0")
        assert await terminal.wait() == Exit.OK

    assert "125 results in " in terminal.text


async def test_a_plan_is_tables_and_commands_to_copy() -> None:
    async with Terminal("plan", "--requests-per-second", "10000") as terminal:
        assert await terminal.wait() == Exit.OK

    text = terminal.text
    assert "AWS quotas" in text
    assert "A month's bill" in text
    assert re.search(r"API Gateway: requests +10,500 +10,000 +requests/s +exceeds \(105%\) +16,000", text)
    assert "--quota-code L-8A5B8E43 --desired-value 16000" in text


async def test_listen_draws_a_table_that_grows() -> None:
    arguments = ("listen", "--port", "0", "--secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    async with Terminal(*arguments) as terminal:
        ready = await terminal.until(r"ready: http://127\.0\.0\.1:\d+/ accepts webhooks")
        port = int(re.search(r"127\.0\.0\.1:(\d+)", ready).group(1))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        await reader.read()
        writer.close()
        await writer.wait_closed()
        await terminal.until(r"✗ +401.*0 verified, 1 not")
        terminal.process.send_signal(2)
        assert await terminal.wait() == Exit.INTERRUPTED

    assert "Traceback" not in terminal.text


async def test_a_dumb_terminal_gets_lines() -> None:
    topics = Topics()
    await topics.publish(LIVE_TOPIC, board(ann=1))
    async with (
        ScriptedServer(topics.answer) as server,
        Terminal("subscribe", *BOARD, "--count", "1", "--url", server.url, TERM="dumb") as terminal,
    ):
        assert await terminal.wait() == Exit.OK

    assert ' · [{"member":"ann","score":1}]' in terminal.text
