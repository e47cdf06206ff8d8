"""Opening, losing and replacing connections over real sockets."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import socket
import ssl
from dataclasses import dataclass

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

import pushaside
from pushaside import Settings
from tests.integration.client.scripted_server import ScriptedServer, answering


def no_wait() -> float:
    return 0.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@dataclass(frozen=True)
class Certificate:
    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1 that vouches for itself, and a client's context that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    written = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + signed.public_bytes(Encoding.PEM)
    path.write_bytes(written)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return Certificate(server, ssl.create_default_context(cafile=path))


# Opening


async def test_nothing_there_fails_at_once() -> None:
    with pytest.raises(pushaside.CannotConnectError, match="connection refused") as caught:
        async with pushaside.connect(f"ws://127.0.0.1:{free_port()}/v1"):
            pass

    assert caught.value.status is None


async def test_a_service_that_does_not_answer_the_handshake_fails_in_time() -> None:
    held = []
    server = await asyncio.start_server(lambda reader, writer: held.append(writer), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(pushaside.CannotConnectError, match="did not answer in time"):
            async with pushaside.connect(f"ws://127.0.0.1:{port}/v1", settings=Settings(open_timeout_seconds=0.1)):
                pass
        for writer in held:
            writer.close()
            await writer.wait_closed()


@pytest.mark.parametrize(("status", "error"), [(401, pushaside.UnauthorizedError), (403, pushaside.ForbiddenError)])
async def test_a_refused_credential_is_a_typed_error_and_not_tried_again(status: int, error: type) -> None:
    async with ScriptedServer() as server:
        server.refuse(status)
        with pytest.raises(error):
            async with pushaside.connect(server.url, token="expired"):
                pass

        assert len(server.handshakes) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_busy_service_is_tried_again(status: int) -> None:
    async with ScriptedServer(answering) as server:
        server.refuse(status)
        server.refuse(status, Retry_After="0")
        async with pushaside.connect(server.url, random=no_wait) as client:
            await client.ping()

        assert len(server.handshakes) == 3


async def test_a_service_that_stays_busy_is_given_up() -> None:
    async with ScriptedServer() as server:
        for _ in range(3):
            server.refuse(503)
        with pytest.raises(pushaside.CannotConnectError) as caught:
            async with pushaside.connect(server.url, settings=Settings(connect_attempts=3), random=no_wait):
                pass

        assert (caught.value.status, len(server.handshakes)) == (503, 3)


@pytest.mark.parametrize("status", [200, 400, 404])
async def test_other_answers_are_not_tried_again(status: int) -> None:
    async with ScriptedServer() as server:
        server.refuse(status)
        with pytest.raises(pushaside.CannotConnectError, match=str(status)) as caught:
            async with pushaside.connect(server.url):
                pass

        assert (caught.value.retryable, len(server.handshakes)) == (False, 1)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/v1", "127.0.0.1:8080", "", "ws://"])
def test_a_url_of_something_else_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not a WebSocket URL"):
        pushaside.connect(url)


async def test_no_token_sends_no_credential() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url):
        assert "Authorization" not in server.handshakes[0].headers


async def test_a_token_is_sent_as_a_bearer() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url, token="t1"):
        assert server.handshakes[0].headers["Authorization"] == "Bearer t1"


async def test_a_token_function_is_asked_before_every_attempt() -> None:
    tokens = iter(["t1", "t2"])

    async def get_token() -> str:
        return next(tokens)

    async with ScriptedServer() as server, pushaside.connect(server.url, token=get_token, random=no_wait):
        (await server.accept()).cut()
        await server.accept()

        assert [each.headers["Authorization"] for each in server.handshakes] == ["Bearer t1", "Bearer t2"]


async def test_a_token_that_cannot_be_had_fails_the_first_connection() -> None:
    async def get_token() -> str:
        raise RuntimeError("the vault is closed")

    async with ScriptedServer() as server:
        with pytest.raises(pushaside.CannotConnectError, match="the vault is closed"):
            async with pushaside.connect(server.url, token=get_token):
                pass

        assert server.handshakes == []


async def test_a_certificate_that_is_not_trusted_is_not_tried_again(certificate: Certificate) -> None:
    async with ScriptedServer(tls=certificate.server) as server:
        with pytest.raises(pushaside.CannotConnectError, match="certificate") as caught:
            async with pushaside.connect(server.url):
                pass

    assert not caught.value.retryable


async def test_a_trusted_certificate_lets_the_client_talk_over_tls(certificate: Certificate) -> None:
    async with (
        ScriptedServer(answering, tls=certificate.server) as server,
        pushaside.connect(server.url, tls=certificate.client) as client,
    ):
        assert (await client.request("documents", {"n": 1})).data == {"n": 1}


# Losing


@pytest.mark.parametrize("close_code", [None, 1000, 1001, 1009, 1011])
async def test_what_is_unanswered_is_asked_again_on_a_new_connection(close_code: int | None) -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url, random=no_wait) as client:
        first = await server.accept()
        asking = [asyncio.create_task(client.request("documents", {"n": n})) for n in range(5)]
        requests = [await first.receive() for _ in asking]
        await first.result(requests[0], data=0)
        await asking[0]
        if close_code is None:
            first.cut()
        else:
            await first.hang_up(close_code)
        second = await server.accept()
        again = [await second.receive() for _ in asking[1:]]
        for request in again:
            await second.result(request, data=request["params"]["n"])

        assert [request["id"] for request in again] == [request["id"] for request in requests[1:]]
        assert [(await each).data for each in asking] == [0, 1, 2, 3, 4]
        assert (await second.hello)["session"] == "s1"


async def test_requests_made_while_there_is_no_connection_are_asked_when_there_is() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url, random=no_wait) as client:
        first = await server.accept()
        for _ in range(3):
            server.refuse(503)
        await first.hang_up()
        asking = asyncio.create_task(client.request("documents", {"n": 1}))
        second = await server.accept()
        await second.result(await second.receive(), data=1)

        assert (await asking).data == 1


async def test_a_credential_refused_on_reconnecting_fails_what_is_unanswered() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url, random=no_wait) as client:
        peer = await server.accept()
        asking = asyncio.create_task(client.request("documents"))
        await peer.receive()
        server.refuse(401)
        peer.cut()

        with pytest.raises(pushaside.UnauthorizedError):
            await asking
        with pytest.raises(pushaside.UnauthorizedError):
            await client.request("documents")


async def test_a_dead_connection_is_noticed_and_replaced() -> None:
    settings = Settings(reask_seconds=0.05, pong_timeout_seconds=0.05)
    async with (
        ScriptedServer() as server,
        pushaside.connect(server.url, settings=settings, random=no_wait) as client,
    ):
        dead = await server.accept()
        asking = asyncio.create_task(client.request("documents"))
        request = await dead.receive()
        alive = await server.accept()
        again = await alive.receive()
        await alive.result(again, data=1)

        assert again["id"] == request["id"]
        assert (await asking).data == 1


async def test_silence_is_broken_by_a_ping() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url, settings=Settings(keepalive_seconds=0.05)):
        peer = await server.accept()

        assert await peer.receive() == {"action": "ping"}


# Replacing


async def test_a_connection_is_replaced_before_the_old_one_is_closed() -> None:
    settings = Settings(max_connection_seconds=0.1)
    async with ScriptedServer() as server, pushaside.connect(server.url, settings=settings) as client:
        old = await server.accept()
        asking = asyncio.create_task(client.request("documents"))
        request = await old.receive()
        await old.say(type="welcome", id=(await old.hello)["id"], session="s1", reconnect_after_seconds=0.1)
        new = await server.accept()
        await old.result(request, data="from the old")
        assert (await asking).data == "from the old"
        assert await old.receive() is None

        asking = asyncio.create_task(client.request("documents"))
        await new.result(await new.receive(), data="from the new")
        assert (await asking).data == "from the new"


async def test_after_a_bye_the_client_comes_back() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url, random=no_wait) as client:
        old = await server.accept()
        asking = asyncio.create_task(client.request("documents"))
        request = await old.receive()
        await old.say(type="bye", code="deploying", retry=True, after_ms=10)
        new = await server.accept()
        await old.hang_up()
        again = await new.receive()
        await new.result(again, data=1)

        assert again["id"] == request["id"]
        assert (await asking).data == 1


async def test_after_a_bye_for_good_it_does_not() -> None:
    async with ScriptedServer() as server, pushaside.connect(server.url) as client:
        peer = await server.accept()
        asking = asyncio.create_task(client.request("documents"))
        await peer.receive()
        await peer.say(type="bye", code="retired", retry=False)

        with pytest.raises(pushaside.ConnectionClosedError, match="retired"):
            await asking
        assert len(server.handshakes) == 1


# Leaving nothing behind


async def test_a_closed_client_leaves_no_task_and_no_timer() -> None:
    before = asyncio.all_tasks()
    async with ScriptedServer(answering) as server:
        serving = asyncio.all_tasks()
        async with pushaside.connect(server.url, random=no_wait) as client:
            await asyncio.gather(*(client.request("documents") for _ in range(10)))
            (await server.accept()).cut()
            await server.accept()
        assert client._shell._alarm._timer is None
        assert client._shell._tasks._running == set()
        assert client._shell._connections == {}
        assert {task for task in asyncio.all_tasks() - serving if "pushaside" in repr(task.get_coro())} == set()
    assert asyncio.all_tasks() == before


async def test_cancelling_while_connecting_leaves_nothing_behind() -> None:
    before, held = asyncio.all_tasks(), asyncio.Queue()
    server = await asyncio.start_server(lambda reader, writer: held.put_nowait(writer), "127.0.0.1", 0)
    async with server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        opening = asyncio.create_task(anext(aiter(pushaside.connect(url))))
        writer = await held.get()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

        assert asyncio.all_tasks() == before
        writer.close()
        await writer.wait_closed()
