"""Tokens as the service's own verifier reads them."""

import json
import time

import jwt
import pytest

from push.access.tokens import ClaimRules, CredentialRefusedError, Identity
from push.adapters.tokens.pyjwt import PyJwtVerifier, VerificationKey
from pushaside.cli import main
from pushaside.tokens import sign_token

SECRET = b"0123456789abcdef0123456789abcdef"


class OneKey:
    def __init__(self, secret: bytes) -> None:
        self._keys = [VerificationKey("HS256", secret)]

    def find(self, key_id: str | None) -> list[VerificationKey]:
        return self._keys

    find_newer = find


def verify(token: str, rules: ClaimRules | None = None, secret: bytes = SECRET, now: float | None = None) -> Identity:
    return PyJwtVerifier(OneKey(secret), rules or ClaimRules()).verify(token, time.time() if now is None else now)


def test_the_service_takes_the_token_for_whom_it_was_made() -> None:
    identity = verify(sign_token(SECRET, "acme", "Ada Löw", time.time() + 60))

    assert (identity.tenant, identity.principal) == ("acme", "Ada Löw")


def test_it_is_good_until_it_expires() -> None:
    token = sign_token(SECRET, "acme", "ada", 1000.0)

    verify(token, now=999.0)
    with pytest.raises(CredentialRefusedError, match="expired"):
        verify(token, now=1006.0)


def test_it_is_good_under_its_own_secret_only() -> None:
    with pytest.raises(CredentialRefusedError, match="no key of the issuer"):
        verify(sign_token(SECRET, "acme", "ada", time.time() + 60), secret=SECRET[::-1])


def test_issuer_and_audience_are_those_the_service_may_ask_for() -> None:
    rules = ClaimRules(issuer="us", audience="push")

    verify(sign_token(SECRET, "acme", "ada", time.time() + 60, issuer="us", audience="push"), rules)
    with pytest.raises(CredentialRefusedError):
        verify(sign_token(SECRET, "acme", "ada", time.time() + 60), rules)


def test_further_claims_are_forwarded_and_replace_none_of_the_tokens_own() -> None:
    token = sign_token(SECRET, "acme", "ada", time.time() + 60, claims={"role": "clerk", "sub": "bob"})

    identity = verify(token)
    assert (identity.principal, identity.claims["role"], identity.claims["sub"]) == ("ada", "clerk", "ada")


def test_it_is_what_another_library_makes_of_the_same_claims() -> None:
    claims = {"sub": "ada", "tenant": "acme", "exp": 2_000_000_000}

    assert sign_token(SECRET, "acme", "ada", 2_000_000_000) == jwt.encode(
        claims, SECRET, algorithm="HS256", headers={"alg": "HS256", "typ": "JWT"}
    )


@pytest.mark.parametrize(
    ("secret", "tenant", "principal"),
    [(SECRET[:31], "acme", "ada"), (SECRET, "a/b", "ada"), (SECRET, "", "ada"), (SECRET, "acme", "a\nb")],
)
def test_what_the_service_would_refuse_is_not_made(secret: bytes, tenant: str, principal: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        sign_token(secret, tenant, principal, 1000.0)


def test_the_command_prints_the_token_alone(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "secret").write_bytes(SECRET + b"\n")

    code = main(["token", "--secret-file", str(tmp_path / "secret"), "--tenant", "acme", "--expires-in", "60"])

    printed = capsys.readouterr()
    assert (code, printed.err) == (0, "")
    assert verify(printed.out.removesuffix("\n")) == verify(sign_token(SECRET, "acme", "cli", time.time() + 60))


def test_the_secret_may_be_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOKEN_SECRET", SECRET.decode())

    assert main(["token", "--secret-env", "TOKEN_SECRET", "--tenant", "acme", "--principal", "ada"]) == 0
    assert verify(capsys.readouterr().out.strip()).principal == "ada"


def test_the_secret_may_be_in_the_ready_file_of_a_local_service(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    ready = tmp_path / "ready.json"
    ready.write_text(json.dumps({"websocket": "ws://127.0.0.1:1/v1", "token_secret": SECRET.decode()}))
    assert main(["token", "--ready-file", str(ready), "--tenant", "acme", "--principal", "ada"]) == 0
    assert verify(capsys.readouterr().out.strip()).principal == "ada"

    ready.write_text("{}")
    assert main(["token", "--ready-file", str(ready), "--tenant", "acme"]) == 2
    assert "the service checks no tokens; start it with --auth jwt." in capsys.readouterr().err


@pytest.mark.parametrize("source", [["--secret-env", "NOT_SET"], ["--secret-file", "/not/there"]])
def test_a_secret_that_is_not_there_is_a_usage_error(source: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", *source, "--tenant", "acme"]) == 2
    assert capsys.readouterr().err.startswith("pushaside: ")
