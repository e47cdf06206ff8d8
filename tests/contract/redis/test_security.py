"""Credentials and TLS. The server of the tests is built without TLS: what speaks it stands before a real server."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from push.errors import CacheUnavailableError
from push.settings import CacheSettings
from tests.contract.redis.clients import open_client
from tests.servers.faulty_network import FaultyNetwork, clustered_networks
from tests.servers.valkey import ask, ports_of_cluster, valkey, valkey_cluster

PASSWORD = "p@ss:/w%rd#?+& é"

both = pytest.mark.parametrize("kind", ["sync", "async"])


def settings(url: str) -> CacheSettings:
    return CacheSettings(cache_url=url, cache_timeout_ms=2000, cache_connect_timeout_ms=2000)


@pytest.fixture(scope="module", params=[valkey, valkey_cluster], ids=["alone", "cluster"])
def guarded(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that lets nobody in without a password; yields what follows the credentials in its URL."""
    with request.param() as url:
        port = urlsplit(url).port or 0
        for each in ports_of_cluster(port):
            assert_ok(each, f'ACL SETUSER app on ">{PASSWORD}" ~* +@all')
            assert_ok(each, "ACL SETUSER reader on >weak ~* +get +cluster +command")
            assert_ok(each, f'CONFIG SET requirepass "{PASSWORD}"')
        yield url.removeprefix("redis://")


def assert_ok(port: int, command: str) -> None:
    assert ask(port, command.encode()).startswith(b"+OK")


@both
@pytest.mark.parametrize("user", ["", "app"], ids=["the default user", "a user"])
async def test_credentials_are_in_the_url_percent_encoded(guarded: str, kind: str, user: str) -> None:
    url = f"redis://{user}:{quote(PASSWORD, safe='')}@{guarded}"
    async with open_client(kind, settings(url)) as client:
        for number in range(20):  # of a cluster, every node
            assert await client.run("SET", f"key {number}", "value")


@both
@pytest.mark.parametrize("credentials", ["", ":wrong@", "app:wrong@"])
async def test_wrong_credentials_are_a_cache_that_is_away(guarded: str, kind: str, credentials: str) -> None:
    async with open_client(kind, settings(f"redis://{credentials}{guarded}")) as client:
        with pytest.raises(CacheUnavailableError):
            await client.run("GET", "key")


@both
async def test_credentials_that_are_refused_are_not_sent_twice(redis_url: str, kind: str) -> None:
    async with FaultyNetwork(urlsplit(redis_url).port or 0) as network:
        async with open_client(kind, settings(f"redis://nobody:wrong@127.0.0.1:{network.port}/0")) as client:
            with pytest.raises(CacheUnavailableError):
                await client.run("GET", "key")
        assert network.connections == 1


@both
async def test_what_the_user_may_not_do_is_refused(guarded: str, kind: str) -> None:
    async with open_client(kind, settings(f"redis://reader:weak@{guarded}")) as client:
        assert await client.run("GET", "key") is None
        with pytest.raises(CacheUnavailableError, match="permission"):
            await client.run("SET", "key", "value")


@dataclass(frozen=True)
class Authority:
    """Who signed the certificate of a server, as a file, and what that server needs."""

    file: Path
    server: ssl.SSLContext


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("certificates")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    return Authority(public, context)


@pytest.fixture
async def encrypted(redis_url: str, authority: Authority) -> AsyncIterator[FaultyNetwork]:
    async with FaultyNetwork(urlsplit(redis_url).port or 0, authority.server) as network:
        yield network


@both
async def test_rediss_speaks_tls(encrypted: FaultyNetwork, authority: Authority, kind: str) -> None:
    url = f"rediss://127.0.0.1:{encrypted.port}/0?ssl_ca_certs={quote(str(authority.file))}"
    async with open_client(kind, settings(url)) as client:
        assert await client.run("SET", "key of TLS", "value")


@both
async def test_a_certificate_that_nobody_known_signed_is_refused(encrypted: FaultyNetwork, kind: str) -> None:
    async with open_client(kind, settings(f"rediss://127.0.0.1:{encrypted.port}/0")) as client:
        with pytest.raises(CacheUnavailableError, match="certificate verify failed"):
            await client.run("GET", "key")
    assert encrypted.requests == 0


@both
async def test_a_certificate_of_another_host_is_refused(
    encrypted: FaultyNetwork, authority: Authority, kind: str
) -> None:
    url = f"rediss://localhost:{encrypted.port}/0?ssl_ca_certs={quote(str(authority.file))}"
    async with open_client(kind, settings(url)) as client:
        with pytest.raises(CacheUnavailableError):
            await client.run("GET", "key")
    assert encrypted.requests == 0


@both
async def test_every_node_of_a_cluster_is_asked_over_tls(authority: Authority, kind: str) -> None:
    async with clustered_networks(authority.server) as networks:
        url = f"rediss://127.0.0.1:{networks[0].port}/0?cluster=true&ssl_ca_certs={quote(str(authority.file))}"
        async with open_client(kind, settings(url)) as client:
            for number in range(20):
                assert await client.run("SET", f"key {number}", "value")
        assert all(network.requests for network in networks)
