"""Tokens are checked against the shared secret or the published keys, whichever are current."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from push.access.tokens import ClaimRules, CredentialRefusedError
from push.adapters.secrets.token_keys import fetch_secrets
from push.adapters.tokens.cached_keys import RETRY_SECONDS, CachedKeys
from push.adapters.tokens.jwks_keys import fetch_jwks
from push.adapters.tokens.pyjwt import PyJwtVerifier
from push.errors import SettingsError, TransientError
from tests.servers.aws import Aws

OLD, NEW, OTHER = "o" * 64, "n" * 64, "x" * 64


def sign(key: Any, algorithm: str = "HS256", **headers: Any) -> str:
    claims = {"sub": "ada", "tenant": "acme", "exp": time.time() + 60}
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def verifies(verifier: PyJwtVerifier, token: str) -> bool:
    try:
        return verifier.verify(token, time.time()).principal == "ada"
    except CredentialRefusedError:
        return False


@pytest.fixture
def secret_arn(aws: Aws) -> str:
    return aws.client("secretsmanager").create_secret(Name=aws.bucket, SecretString=OLD)["ARN"]


class TestSharedSecret:
    def test_a_token_signed_with_the_secret_is_good_and_no_other(self, aws: Aws, secret_arn: str) -> None:
        client = aws.client("secretsmanager")
        verifier = PyJwtVerifier(CachedKeys(lambda: fetch_secrets(client, secret_arn)), ClaimRules())
        assert verifies(verifier, sign(OLD))
        assert not verifies(verifier, sign(OTHER))

    def test_during_a_rotation_the_current_and_the_previous_secret_are_good(self, aws: Aws, secret_arn: str) -> None:
        client = aws.client("secretsmanager")
        client.put_secret_value(SecretId=secret_arn, SecretString=NEW)
        verifier = PyJwtVerifier(CachedKeys(lambda: fetch_secrets(client, secret_arn)), ClaimRules())
        assert verifies(verifier, sign(OLD))
        assert verifies(verifier, sign(NEW))

    def test_a_secret_rotated_while_the_old_one_is_cached_is_found(self, aws: Aws, secret_arn: str) -> None:
        client, clock = aws.client("secretsmanager"), Clock()
        verifier = PyJwtVerifier(CachedKeys(lambda: fetch_secrets(client, secret_arn), clock), ClaimRules())
        assert verifies(verifier, sign(OLD))
        client.put_secret_value(SecretId=secret_arn, SecretString=NEW)
        clock.now += RETRY_SECONDS
        assert verifies(verifier, sign(NEW))

    def test_a_secret_too_short_to_sign_with_is_an_error_of_the_settings(self, aws: Aws) -> None:
        client = aws.client("secretsmanager")
        arn = client.create_secret(Name=f"{aws.bucket}-short", SecretString="short")["ARN"]
        with pytest.raises(SettingsError):
            fetch_secrets(client, arn)

    def test_a_secret_that_is_not_there_is_transient(self, aws: Aws) -> None:
        with pytest.raises(TransientError):
            fetch_secrets(aws.client("secretsmanager"), "arn:aws:secretsmanager:us-east-1:1:secret:absent")

    def test_an_unsigned_token_is_refused(self, aws: Aws, secret_arn: str) -> None:
        client = aws.client("secretsmanager")
        verifier = PyJwtVerifier(CachedKeys(lambda: fetch_secrets(client, secret_arn)), ClaimRules())
        assert not verifies(verifier, sign(None, "none"))


class Jwks:
    """An issuer's document, served over HTTP; `reads` counts how often it was asked for."""

    def __init__(self) -> None:
        self.body = b'{"keys": []}'
        self.reads = 0
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.reads += 1
                self.send_response(200)
                self.send_header("Content-Length", str(len(issuer.body)))
                self.end_headers()
                self.wfile.write(issuer.body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/jwks.json"

    def publish(self, *keys: dict[str, Any]) -> None:
        self.body = json.dumps({"keys": keys}).encode()


@pytest.fixture
def issuer() -> Iterator[Jwks]:
    jwks = Jwks()
    thread = threading.Thread(target=jwks.server.serve_forever, args=(0.01,))
    thread.start()
    yield jwks
    jwks.server.shutdown()
    thread.join()
    jwks.server.server_close()


@pytest.fixture(scope="module")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


EC_KEY = ec.generate_private_key(ec.SECP256R1())


def rsa_entry(key: rsa.RSAPrivateKey, key_id: str) -> dict[str, Any]:
    return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": key_id, "use": "sig"}


def ec_entry(key_id: str) -> dict[str, Any]:
    return {**ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True), "kid": key_id}


class TestPublishedKeys:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def verifier(self, issuer: Jwks, clock: Clock) -> PyJwtVerifier:
        return PyJwtVerifier(CachedKeys(lambda: fetch_jwks(issuer.url), clock), ClaimRules())

    def test_rs256_and_es256_are_good(self, issuer: Jwks, verifier: PyJwtVerifier, rsa_key: rsa.RSAPrivateKey) -> None:
        issuer.publish(rsa_entry(rsa_key, "one"), ec_entry("two"))
        assert verifies(verifier, sign(rsa_key, "RS256", kid="one"))
        assert verifies(verifier, sign(EC_KEY, "ES256", kid="two"))

    def test_the_document_is_read_once_for_many_tokens(
        self, issuer: Jwks, verifier: PyJwtVerifier, rsa_key: rsa.RSAPrivateKey
    ) -> None:
        issuer.publish(rsa_entry(rsa_key, "one"))
        assert all(verifies(verifier, sign(rsa_key, "RS256", kid="one")) for _ in range(5))
        assert issuer.reads == 1

    def test_an_unknown_key_id_has_the_document_read_again_but_once_a_minute_at_most(
        self, issuer: Jwks, verifier: PyJwtVerifier, clock: Clock
    ) -> None:
        issuer.publish(ec_entry("old"))
        assert not verifies(verifier, sign(EC_KEY, "ES256", kid="new"))
        clock.now += RETRY_SECONDS
        issuer.publish(ec_entry("new"))
        assert verifies(verifier, sign(EC_KEY, "ES256", kid="new"))
        for _ in range(5):
            assert not verifies(verifier, sign(EC_KEY, "ES256", kid="guessed"))
        assert issuer.reads == 2

    def test_keys_stay_good_while_the_document_cannot_be_read(
        self, issuer: Jwks, verifier: PyJwtVerifier, clock: Clock
    ) -> None:
        issuer.publish(ec_entry("one"))
        token = sign(EC_KEY, "ES256", kid="one")
        assert verifies(verifier, token)
        issuer.body = b"out of order"
        clock.now += 3600
        assert verifies(verifier, token)

    def test_keys_are_not_used_for_days_without_the_document(
        self, issuer: Jwks, verifier: PyJwtVerifier, clock: Clock
    ) -> None:
        issuer.publish(ec_entry("one"))
        token = sign(EC_KEY, "ES256", kid="one")
        assert verifies(verifier, token)
        issuer.body = b"out of order"
        clock.now += 25 * 3600
        with pytest.raises(TransientError):
            verifier.verify(token, time.time())

    def test_the_public_key_is_no_shared_secret(
        self, issuer: Jwks, verifier: PyJwtVerifier, rsa_key: rsa.RSAPrivateKey
    ) -> None:
        issuer.publish(rsa_entry(rsa_key, "one"))
        modulus = rsa_entry(rsa_key, "one")["n"]
        assert not verifies(verifier, sign(modulus, "HS256", kid="one"))

    def test_keys_of_other_kinds_and_uses_are_passed_over(self, issuer: Jwks) -> None:
        issuer.publish(
            {"kty": "oct", "k": "c2VjcmV0", "kid": "secret"},
            {**ec_entry("encryption"), "use": "enc"},
            {**ec_entry("other algorithm"), "alg": "ES384"},
            {"kty": "EC", "kid": "broken"},
            ec_entry("good"),
        )
        assert [key.key_id for key in fetch_jwks(issuer.url)] == ["good"]

    @pytest.mark.parametrize("body", [b"", b"[]", b'{"keys": 5}', b'{"keys": [1]}', b"x" * 300_000])
    def test_what_is_no_jwks_is_transient(self, issuer: Jwks, body: bytes) -> None:
        issuer.body = body
        with pytest.raises(TransientError):
            fetch_jwks(issuer.url)

    def test_keys_are_not_fetched_over_plain_http_from_elsewhere(self) -> None:
        with pytest.raises(SettingsError):
            fetch_jwks("http://issuer.example/jwks.json")
        with pytest.raises(SettingsError):
            fetch_jwks("file:///etc/hostname")
