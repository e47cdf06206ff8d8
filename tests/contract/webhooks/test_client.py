"""The client of webhooks connects to addresses that were checked, and outlives whatever a receiver does."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from push.adapters.webhooks import MAX_BODY_BYTES, HttpWebhookClient
from push.durable.ports import WebhookAnswer
from push.durable.webhook_targets import WebhookUrl, check_url
from tests.servers.webhook_receivers import Answering, Authority, Received, answer, make_authority, receiving, status

BODY = b'{"type":"request.done"}'
NAME = "receiver.example"


class Names:
    """A resolver that says what it is told to, one answer after the other; the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return make_authority(tmp_path_factory.mktemp("authority"))


def checked(url: str) -> WebhookUrl:
    return check_url(url, allow_private=True)


async def post_to(answering: Answering, **options: float) -> WebhookAnswer:
    async with receiving(answering) as receiver:
        return await HttpWebhookClient(allow_private=True, **options).post(checked(receiver.url()), {}, BODY)


async def test_a_post_arrives_as_it_was_given() -> None:
    async with receiving() as receiver:
        client = HttpWebhookClient(allow_private=True)
        url = checked(receiver.url(target="/hook?a=%20b"))
        assert await client.post(url, {"webhook-id": "msg_1"}, BODY) == WebhookAnswer(200)
    (request,) = receiver.requests
    assert (request.line, request.body) == ("POST /hook?a=%20b HTTP/1.1", BODY)
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["webhook-id"] == "msg_1"
    assert request.headers["accept-encoding"] == "identity"


async def test_a_body_of_half_a_megabyte_arrives() -> None:
    body = os.urandom(512 * 1024)
    async with receiving() as receiver:
        assert await HttpWebhookClient(allow_private=True).post(checked(receiver.url()), {}, body) == WebhookAnswer(200)
    assert receiver.requests[0].body == body


@pytest.mark.parametrize("code", [200, 204, 301, 404, 410, 500])
async def test_a_status_is_the_answer(code: int) -> None:
    assert await post_to(status(code)) == WebhookAnswer(code)


async def test_retry_after_is_part_of_it() -> None:
    assert await post_to(status(429, "Retry-After: 120")) == WebhookAnswer(429, "120")


async def test_informational_answers_are_passed_over() -> None:
    assert await post_to(answer("HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 202 OK\r\n\r\n")) == WebhookAnswer(202)


async def test_redirects_are_not_followed() -> None:
    async with receiving() as target:
        assert await post_to(status(307, f"Location: {target.url()}")) == WebhookAnswer(307)
    assert target.requests == []


async def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving() as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        assert await post_to(status(200)) == WebhookAnswer(200)
    assert proxy.requests == []


async def test_an_endless_body_is_read_to_a_bound_and_no_further() -> None:
    sent = 0

    async def flood(_request: Received, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
            await writer.drain()
            sent += 0x2000

    began = time.monotonic()
    assert await post_to(flood) == WebhookAnswer(200)
    assert time.monotonic() - began < 5
    # What was sent beyond the bound is what fits the sockets' buffers.
    assert sent < MAX_BODY_BYTES + 16 * 1024 * 1024


async def test_a_body_that_never_ends_does_not_hold_up_the_status() -> None:
    async def stall(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        await asyncio.Event().wait()

    began = time.monotonic()
    assert await post_to(stall) == WebhookAnswer(200)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "The connection was closed before an answer came."),
        ("HTTP/1.1 200 OK\r\nContent-Le", "The connection was closed before an answer came."),
        ("SSH-2.0-OpenSSH_9.6\r\n", "The answer is not HTTP/1.1."),
        ("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", None),
        ("HTTP/1.1 200 OK\r\n" + "X: " + "y" * 200_000, "The answer's head is too long."),
    ],
    ids=["nothing", "half a head", "not http", "upgrade", "endless head"],
)
async def test_what_is_no_answer_is_an_error(text: str, error: str | None) -> None:
    got = await post_to(answer(text))
    assert got.status is None
    assert got.error == error or (error is None and got.error)


async def test_a_connection_that_is_reset_is_an_error() -> None:
    async def reset(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    got = await post_to(reset)
    assert (got.status, bool(got.error)) == (None, True)


async def test_the_whole_takes_no_longer_than_its_time() -> None:
    async def drip(_request: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while True:
            writer.write(b"z")
            await asyncio.sleep(0.01)

    began = time.monotonic()
    got = await post_to(drip, total_seconds=0.3)
    assert got == WebhookAnswer(error="No answer within 0.3 seconds.")
    assert time.monotonic() - began < 2


async def test_nor_does_a_name_server_that_does_not_answer() -> None:
    async def never(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    client = HttpWebhookClient(allow_private=False, resolve=never, total_seconds=0.1)
    got = await client.post(check_url(f"https://{NAME}/", allow_private=False), {}, BODY)
    assert got == WebhookAnswer(error="No answer within 0.1 seconds.")


async def test_an_address_where_nobody_listens_is_an_error() -> None:
    async with receiving() as receiver:
        url = checked(receiver.url())
    got = await HttpWebhookClient(allow_private=True).post(url, {}, BODY)
    assert got == WebhookAnswer(error="No connection could be made.")


async def test_the_next_address_is_tried_where_the_first_does_not_answer() -> None:
    async with receiving() as receiver:
        client = HttpWebhookClient(allow_private=True, resolve=Names(["127.0.0.2", "127.0.0.1"]))
        assert await client.post(checked(receiver.url(NAME)), {}, BODY) == WebhookAnswer(200)
    assert receiver.requests[0].headers["host"] == f"{NAME}:{receiver.port}"


class TestAddresses:
    """Those that a name leads to are checked before a connection is made."""

    @pytest.mark.parametrize(
        "addresses",
        [
            ["127.0.0.1"],
            ["8.8.8.8", "127.0.0.1"],
            ["2606:4700::1", "8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "169.254.169.254"],
            ["::ffff:127.0.0.1"],
            ["fe80::1%lo"],
            ["::1"],
        ],
    )
    async def test_one_that_is_not_public_refuses_the_name(self, addresses: list[str]) -> None:
        async with receiving() as receiver:
            client = HttpWebhookClient(allow_private=False, resolve=Names(addresses))
            got = await client.post(checked(receiver.url(NAME)), {}, BODY)
        assert got == WebhookAnswer(error="The webhook's URL leads to an address that is not public.")
        assert receiver.requests == []

    @pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
    async def test_an_address_in_the_url_is_checked_too(self, host: str) -> None:
        async with receiving() as receiver:
            got = await HttpWebhookClient(allow_private=False).post(checked(receiver.url(host)), {}, BODY)
        assert got == WebhookAnswer(error="The webhook's URL leads to an address that is not public.")
        assert receiver.requests == []

    async def test_a_name_is_resolved_once_so_what_it_says_later_does_not_matter(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = Names(["192.0.2.7"], ["127.0.0.1"])
        checks: list[str] = []
        connections: list[tuple[object, ...]] = []
        monkeypatch.setattr("push.adapters.webhooks.check_address", checks.append)

        async def open_connection(*arguments: object, **_options: object) -> object:
            connections.append(arguments)
            raise ConnectionRefusedError

        monkeypatch.setattr("push.adapters.webhooks.asyncio.open_connection", open_connection)
        await HttpWebhookClient(allow_private=False, resolve=names).post(checked(f"https://{NAME}/"), {}, BODY)
        assert (names.asked, checks, connections) == ([(NAME, 443)], ["192.0.2.7"], [("192.0.2.7", 443)])

    async def test_a_name_that_rebinds_is_refused_when_it_does(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async with receiving() as receiver:
            names = Names(["127.0.0.1"], ["169.254.169.254"])
            monkeypatch.setattr("push.adapters.webhooks.check_address", _check_as_if_public("127.0.0.1"), raising=True)
            client = HttpWebhookClient(allow_private=False, resolve=names)
            assert await client.post(checked(receiver.url(NAME)), {}, BODY) == WebhookAnswer(200)
            second = await client.post(checked(receiver.url(NAME)), {}, BODY)
        assert second.error == "The webhook's URL leads to an address that is not public."
        assert len(receiver.requests) == 1

    async def test_a_name_without_addresses_is_an_error(self) -> None:
        async def fail(_host: str, _port: int) -> Sequence[str]:
            raise OSError("no such name")

        client = HttpWebhookClient(allow_private=False, resolve=fail)
        got = await client.post(checked(f"https://{NAME}/"), {}, BODY)
        assert got == WebhookAnswer(error="The host's name was not found.")

    async def test_the_systems_resolver_is_asked_if_no_other_is_given(self) -> None:
        async with receiving() as receiver:
            client = HttpWebhookClient(allow_private=True)
            assert await client.post(checked(receiver.url("localhost")), {}, BODY) == WebhookAnswer(200)


def _check_as_if_public(public: str) -> object:
    from push.durable.webhook_targets import check_address

    return lambda address: None if address == public else check_address(address)


class TestTls:
    """The connection is to an address, and the certificate must be the name's."""

    async def test_the_names_certificate_is_good_at_the_address(self, authority: Authority, tmp_path: Path) -> None:
        asked: list[str | None] = []
        context = authority.server_context(NAME)
        context.sni_callback = lambda _socket, name, _context: asked.append(name)
        async with receiving(tls=context) as receiver:
            client = HttpWebhookClient(allow_private=True, tls=authority.client_context, resolve=Names(["127.0.0.1"]))
            assert await client.post(checked(receiver.url(NAME)), {}, BODY) == WebhookAnswer(200)
        assert asked == [NAME]
        assert receiver.requests[0].headers["host"] == f"{NAME}:{receiver.port}"

    @pytest.mark.parametrize("name", ["other.example", "127.0.0.1"])
    async def test_another_names_is_not(self, authority: Authority, name: str) -> None:
        async with receiving(tls=authority.server_context(name)) as receiver:
            client = HttpWebhookClient(allow_private=True, tls=authority.client_context, resolve=Names(["127.0.0.1"]))
            got = await client.post(checked(receiver.url(NAME)), {}, BODY)
        assert got == WebhookAnswer(error="TLS failed: CERTIFICATE_VERIFY_FAILED.")
        assert receiver.requests == []

    async def test_an_unknown_authoritys_is_not(self, authority: Authority) -> None:
        async with receiving(tls=authority.server_context(NAME)) as receiver:
            client = HttpWebhookClient(allow_private=True, resolve=Names(["127.0.0.1"]))
            got = await client.post(checked(receiver.url(NAME)), {}, BODY)
        assert got == WebhookAnswer(error="TLS failed: CERTIFICATE_VERIFY_FAILED.")

    async def test_an_addresss_is_good_for_the_address(self, authority: Authority) -> None:
        async with receiving(tls=authority.server_context("127.0.0.1")) as receiver:
            client = HttpWebhookClient(allow_private=True, tls=authority.client_context)
            assert await client.post(checked(receiver.url()), {}, BODY) == WebhookAnswer(200)

    async def test_a_receiver_without_tls_is_an_error(self, authority: Authority) -> None:
        async with receiving() as receiver:
            client = HttpWebhookClient(allow_private=True, tls=authority.client_context, total_seconds=0.5)
            got = await client.post(checked(receiver.url().replace("http:", "https:")), {}, BODY)
        assert got.status is None
        assert got.error
