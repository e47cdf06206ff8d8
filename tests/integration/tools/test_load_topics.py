"""`pushaside load --subscribers`, run as it is, against a service that loses, doubles and reorders on purpose."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pushaside.cli.exits import Exit
from tests.integration.client.scripted_server import Peer, ScriptedServer
from tests.integration.client.test_command_line import Outcome, run
from tests.integration.tools.test_load import Service, document

pytestmark = pytest.mark.slow

Deliver = Callable[["Channels", Peer, dict], Awaitable[None]]
FLAWS = ("lost", "doubled", "out_of_order", "wrong")


async def deliver(channels: Channels, peer: Peer, message: dict) -> None:
    del channels
    await peer.say(**message)


class Channels:
    """Delivers as it should; but the one delivery of a number, counted from 0, as the test says."""

    def __init__(self, *, otherwise: Deliver = deliver, number: int = 4) -> None:
        self.otherwise = otherwise
        self.number = number
        self.count = 0
        self.heads: dict[str, int] = {}
        self.subscribers: dict[str, list[Peer]] = {}
        self.publishers: set[int] = set()
        self.held: list[tuple[Peer, dict]] = []
        self.order = asyncio.Lock()

    async def script(self, peer: Peer) -> None:
        while (message := await peer.messages.get()) is not None:
            await self.take(peer, message)

    async def take(self, peer: Peer, message: dict) -> None:
        topic, fields = message["topic"], {"id": message["id"], "topic": message["topic"]}
        if message["action"] == "subscribe":
            self.subscribers.setdefault(topic, []).append(peer)
            await peer.say(type="subscribed", position=f"e:{self.heads.get(topic, 0)}", recovered=True, **fields)
            return
        self.publishers.add(id(peer))
        async with self.order:
            self.heads[topic] = self.heads.get(topic, 0) + 1
            await peer.say(type="published", position=f"e:{self.heads[topic]}", **fields)
            await self.fan_out(topic, message["data"])

    async def fan_out(self, topic: str, data: object) -> None:
        update = {"type": "update", "topic": topic, "position": f"e:{self.heads[topic]}", "data": data}
        for subscriber in self.subscribers.get(topic, []):
            how = self.otherwise if self.count == self.number else deliver
            self.count += 1
            await how(self, subscriber, update)
            if how is deliver:
                for late in [each for each in self.held if each[0] is subscriber]:
                    self.held.remove(late)
                    await subscriber.say(**late[1])


async def load(channels: Channels, *arguments: str) -> Outcome:
    async with ScriptedServer(channels.script) as server:
        quick = ("--duration", "0.5", "--publish-rate", "40", "--deadline", "0.4", "--publishers", "2")
        return await run("load", "--url", server.url, "--json", *quick, *arguments)


async def test_every_subscriber_of_every_channel_has_every_message() -> None:
    channels = Channels()

    outcome = await load(channels, "--subscribers", "6", "--topics", "3", "--processes", "2")

    told = document(outcome)["channels"]
    assert outcome.code == Exit.OK
    assert (told["subscribed"], told["published"], told["confirmed"], told["delivered"]) == (6, 20, 20, 40)
    assert all(told[flaw] == 0 for flaw in FLAWS)
    assert sorted(len(each) for each in channels.subscribers.values()) == [2, 2, 2]
    assert len(channels.publishers) == 2
    assert 0 < told["delivery_ms"]["p50"] <= told["delivery_ms"]["max"]


async def lose(channels: Channels, peer: Peer, message: dict) -> None:
    del channels, peer, message


async def double(channels: Channels, peer: Peer, message: dict) -> None:
    del channels
    await peer.say(**message)
    await peer.say(**message)


async def hold_back(channels: Channels, peer: Peer, message: dict) -> None:
    channels.held.append((peer, message))


async def garble(channels: Channels, peer: Peer, message: dict) -> None:
    del channels
    await peer.say(**{**message, "data": {**message["data"], "text": "y"}})


@pytest.mark.parametrize(
    ("otherwise", "flaw"), [(lose, "lost"), (double, "doubled"), (hold_back, "out_of_order"), (garble, "wrong")]
)
async def test_one_flaw_among_all_deliveries_is_found(otherwise: Deliver, flaw: str) -> None:
    outcome = await load(Channels(otherwise=otherwise), "--subscribers", "3")

    told = document(outcome)["channels"]
    assert outcome.code == Exit.ERROR
    assert {name: told[name] for name in FLAWS} == {**dict.fromkeys(FLAWS, 0), flaw: 1}


async def test_the_last_message_is_missed_across_processes() -> None:
    """Nothing comes after it, and the process of its subscriber need not be the one that published it."""
    outcome = await load(Channels(otherwise=lose, number=39), "--subscribers", "2", "--processes", "2")

    told = document(outcome)["channels"]
    assert (told["published"], told["delivered"], told["lost"]) == (20, 39, 1)


async def test_what_came_while_a_subscriber_was_gone_is_lost() -> None:
    async def cut(channels: Channels, peer: Peer, message: dict) -> None:
        channels.subscribers[message["topic"]].remove(peer)
        peer.cut()

    outcome = await load(Channels(otherwise=cut, number=10), "--subscribers", "1")

    told = document(outcome)
    assert (told["connections"]["closed_early"], told["channels"]["lost"]) == (1, 10)


async def test_a_refusal_is_an_error_by_its_code() -> None:
    async def refuse(peer: Peer) -> None:
        while (message := await peer.messages.get()) is not None:
            await peer.error(message, "forbidden")

    async with ScriptedServer(refuse) as server:
        outcome = await run("load", "--url", server.url, "--json", "--subscribers", "2", "--duration", "0.2")

    told = document(outcome)["channels"]
    assert outcome.code == Exit.ERROR
    assert (told["subscribed"], told["errors"], told["delivered"]) == (0, {"forbidden": 3}, 0)


async def test_messages_keep_to_their_rate_whatever_the_service_does() -> None:
    """Nothing is answered: all are published, and all without an answer."""

    async def only_subscribe(peer: Peer) -> None:
        while (message := await peer.messages.get()) is not None:
            if message["action"] == "subscribe":
                await peer.say(type="subscribed", id=message["id"], topic=message["topic"], position="e:0")
            elif message["data"]["number"] == 19:
                peer.cut()

    async with ScriptedServer(only_subscribe) as server:
        arguments = ("--duration", "0.5", "--publish-rate", "40", "--publishers", "1", "--deadline", "0.3")
        outcome = await run("load", "--url", server.url, "--json", "--subscribers", "1", *arguments)

    told = document(outcome)["channels"]
    assert outcome.code == Exit.ERROR
    assert (told["published"], told["confirmed"], told["unconfirmed"]) == (20, 0, 20)


async def test_requests_and_messages_are_sent_and_told_side_by_side(tmp_path: Path) -> None:
    service, channels = Service(), Channels()

    async def both(peer: Peer) -> None:
        first = await peer.messages.get()
        if first is None:
            return
        peer.messages.put_nowait(first)
        # A connection is for one of them.
        await (service if first["action"] == "request" else channels).script(peer)

    report, percentiles = tmp_path / "report.html", tmp_path / "latency.hgrm"
    arguments = ("--rate", "60", "--duration", "1.2", "--subscribers", "4", "--topics", "2", "--publish-rate", "20")
    files = ("--html", str(report), "--hdr", str(percentiles), "--cold-share", "0.25")
    async with ScriptedServer(both) as server:
        outcome = await run("load", "--url", server.url, "--json", *arguments, *files)

    told = document(outcome)
    assert outcome.code == Exit.OK
    assert (told["results"], told["channels"]["delivered"]) == (72, 48)
    assert told["connections"]["opened"] == 10 + 10 + 4
    cold = {request["params"]["seed"] for request in service.requests if request["params"]["seed"] >= 1000}
    assert 5 <= len(cold) <= 35
    assert told["cold_share"] == 0.25
    check_report(report.read_text(), told)
    assert "TotalCount     =        72.00]" in percentiles.read_text()
    assert "TotalCount     =        48.00]" in percentiles.with_name("latency.deliveries.hgrm").read_text()


def check_report(page: str, told: dict[str, Any]) -> None:
    """Hold the report to what it is for: all plots, no other file, and the same numbers as the document."""
    titles = re.findall(r"<figure><figcaption><h3>([^<]+)</h3>", page)
    assert {"Latency over time", "Latency by percentile", "Cache", "Delivery by percentile", "Connections"} <= set(
        titles
    )
    assert re.findall(r"(?:src|href)=|@import|url\(|<link", page) == []
    [embedded] = re.findall(r'id="document">(.*?)</script>', page)
    assert json.loads(embedded) == told
    assert page.count("<svg") == page.count("</svg>") == len(titles)
    assert "nan" not in re.sub(r"<[^>]*>", "", page)
    assert not re.search(r'd="[^"]*nan', page)


async def test_a_flaw_is_marked_in_the_report(tmp_path: Path) -> None:
    report = tmp_path / "report.html"

    await load(Channels(otherwise=lose), "--subscribers", "3", "--html", str(report))

    assert '<tr class=flaw><th scope="row">messages lost</th><td>1</td></tr>' in report.read_text()
    assert "Some answers or messages were wrong or missing" in report.read_text()


async def test_a_report_that_cannot_be_written_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    service = Service()

    async with ScriptedServer(service.script) as server:
        outcome = await run("load", "--url", server.url, "--html", str(tmp_path / "none" / "report.html"))

    assert outcome.code == Exit.USAGE
    assert "cannot be written: No such file or directory" in outcome.err
    assert service.requests == []


async def test_a_run_without_any_connection_has_a_report_all_the_same(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    async with ScriptedServer() as server:
        url = server.url
    outcome = await run("load", "--url", url, "--duration", "0.2", "--html", str(report), "--hdr", str(tmp_path / "x"))

    assert outcome.code == Exit.CONNECTION
    assert "The service answered nothing." in report.read_text()


class Refusing(Channels):
    """Refuses the first subscription."""

    has_refused = False

    async def take(self, peer: Peer, message: dict) -> None:
        if message["action"] == "subscribe" and not self.has_refused:
            self.has_refused = True
            await peer.error(message, "rate_limited", retryable=True)
        else:
            await super().take(peer, message)


async def test_who_could_not_subscribe_is_told_apart(tmp_path: Path) -> None:
    report = tmp_path / "report.html"

    outcome = await load(Refusing(), "--subscribers", "3", "--html", str(report))

    told = document(outcome)["channels"]
    assert (outcome.code, told["subscribed"], told["errors"]) == (Exit.OK, 2, {"rate_limited": 1})
    assert "2 of 3 subscribers received every message once and in order. 1 error." in report.read_text()
