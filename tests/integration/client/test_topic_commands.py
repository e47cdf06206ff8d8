"""`pushaside subscribe` and `pushaside publish`, run as they are."""

from __future__ import annotations

import asyncio
import json
import re
import signal

import pytest

from pushaside.cli.exits import Exit
from tests.integration.client.scripted_server import PATIENCE_SECONDS, ScriptedServer
from tests.integration.client.test_command_line import run, start
from tests.integration.client.topic_server import LIVE_TOPIC, Topics
from tests.servers.faulty_network import FaultyNetwork

pytestmark = pytest.mark.slow

CHANNEL = "prices:eur"


async def line_of(stream: asyncio.StreamReader | None) -> str:
    assert stream is not None
    async with asyncio.timeout(PATIENCE_SECONDS):
        return (await stream.readline()).decode().rstrip("\n")


async def test_updates_are_printed_with_time_position_and_data() -> None:
    topics = Topics()
    async with ScriptedServer(topics.answer) as server:
        process = await start("subscribe", CHANNEL, "--text", "--count", "2", "--url", server.url)
        assert await line_of(process.stderr) == "pushaside: subscribed to prices:eur · e1:0"
        await topics.publish(CHANNEL, {"bid": 1.1})
        await topics.publish(CHANNEL, [1])
        out, err = await process.communicate()

    first, second = out.decode().splitlines()
    assert re.fullmatch(r'\d\d:\d\d:\d\d\.\d{3} · e1:1 · \{"bid":1\.1\}', first)
    assert second.endswith(" · e1:2 · [1]")
    assert (process.returncode, err) == (Exit.OK, b"")


async def test_updates_as_json_are_the_wires_fields() -> None:
    topics = Topics()
    await topics.publish(CHANNEL, 1)
    async with ScriptedServer(topics.answer) as server:
        outcome = await run("subscribe", CHANNEL, "--since", "e1:0", "--count", "1", "--json", "--url", server.url)

    assert outcome.code == Exit.OK
    assert outcome.documents == [{"type": "update", "topic": CHANNEL, "position": "e1:1", "data": 1}]


async def test_a_resync_is_told_as_such() -> None:
    topics = Topics(epoch="e2")
    async with ScriptedServer(topics.answer) as server:
        outcome = await run("subscribe", CHANNEL, "--since", "e1:4", "--count", "1", "--json", "--url", server.url)

    assert outcome.documents == [{"type": "resync", "topic": CHANNEL, "position": "e2:0", "data": None}]


async def test_a_live_result_is_subscribed_to_by_compute_and_params() -> None:
    topics = Topics()
    await topics.publish(LIVE_TOPIC, ["ann"])
    arguments = ["--compute", "leaderboard", "--params", '{"board":"b"}', "--count", "1", "--json"]
    async with ScriptedServer(topics.answer) as server:
        outcome = await run("subscribe", *arguments, "--url", server.url)

    asked = topics.asked[0]
    assert (asked["compute"], asked["params"]) == ("leaderboard", {"board": "b"})
    assert outcome.documents == [
        {"type": "update", "topic": LIVE_TOPIC, "position": "e1:1", "etag": "etag1", "data": ["ann"]}
    ]


async def test_a_live_result_whose_first_value_is_not_printed_yet_has_no_position_to_tell() -> None:
    topics = Topics()
    await topics.publish(LIVE_TOPIC, ["ann"])
    async with ScriptedServer(topics.answer) as server:
        outcome = await run("subscribe", "--compute", "leaderboard", "--count", "1", "--text", "--url", server.url)

    assert outcome.err == f"pushaside: subscribed to {LIVE_TOPIC}\n"


async def test_a_cut_network_is_told_and_caught_up() -> None:
    topics = Topics()
    async with ScriptedServer(topics.answer) as server, FaultyNetwork(server.port) as network:
        url = f"ws://127.0.0.1:{network.port}/v1"
        process = await start("subscribe", CHANNEL, "--count", "3", "--json", "--url", url)
        await line_of(process.stderr)
        await topics.publish(CHANNEL, 0)
        assert json.loads(await line_of(process.stdout))["data"] == 0
        await network.refuse()
        assert await line_of(process.stderr) == "pushaside: connection lost, reconnecting"
        await topics.publish(CHANNEL, 1)
        await topics.publish(CHANNEL, 2)
        await network.heal()
        assert await line_of(process.stderr) == "pushaside: reconnected, catching up"
        out, _ = await process.communicate()

    assert [json.loads(line)["data"] for line in out.splitlines()] == [1, 2]
    assert process.returncode == Exit.OK


async def test_ctrl_c_ends_it_without_a_word_and_unsubscribes() -> None:
    topics = Topics()
    async with ScriptedServer(topics.answer) as server:
        process = await start("subscribe", CHANNEL, "--url", server.url)
        await line_of(process.stderr)
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()

    assert (process.returncode, out, err) == (Exit.INTERRUPTED, b"", b"")
    assert topics.subscribers[CHANNEL] == []


async def test_a_refused_subscription_ends_with_its_error() -> None:
    async with ScriptedServer(Topics().answer) as server:
        outcome = await run("subscribe", "secret:all", "--url", server.url)

    assert (outcome.code, outcome.out, outcome.err) == (Exit.ERROR, "", "pushaside: It is forbidden. (forbidden)\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["subscribe"],
        ["subscribe", CHANNEL, "--compute", "documents"],
        ["subscribe", CHANNEL, "--params", "{}"],
        ["subscribe", "--compute", "documents", "--params", "[]"],
        ["subscribe", "--compute", "documents", "--params", "{"],
        ["subscribe", CHANNEL, "--since", "yesterday"],
        ["subscribe", CHANNEL, "--count", "0"],
        ["publish", CHANNEL],
        ["publish", CHANNEL, "{"],
    ],
)
async def test_what_makes_no_sense_is_refused(arguments: list[str]) -> None:
    outcome = await run(*arguments)

    assert (outcome.code, outcome.out) == (Exit.USAGE, "")
    assert outcome.err.startswith("pushaside")


async def test_publishing_prints_the_position() -> None:
    topics = Topics()
    async with ScriptedServer(topics.answer) as server:
        plain = await run("publish", CHANNEL, '{"bid":1.1}', "--url", server.url)
        as_json = await run("publish", CHANNEL, "2", "--json", "--url", server.url)

    assert (plain.code, plain.out) == (Exit.OK, "e1:1\n")
    assert re.fullmatch(r"published · .* ms · prices:eur\n", plain.err)
    (document,) = as_json.documents
    assert (document["type"], document["topic"], document["position"]) == ("published", CHANNEL, "e1:2")
    assert topics.histories[CHANNEL] == [{"bid": 1.1}, 2]
