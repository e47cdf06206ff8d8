"""Webhooks are taken from those who hold the secret, once each."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from standardwebhooks import Webhook

from push.computes import Tenant
from push.errors import ErrorCode, RequestError, SettingsError, TransientError
from push.hooks.inbound import (
    CLAIM_SECONDS,
    MEMORY_SECONDS,
    TOLERANCE_SECONDS,
    Hook,
    HookRefusedError,
    VerifiedHook,
    receive_hook,
    verify_hook,
)
from push.hooks.sources import HookScheme, HookSource, UnmappedHookError

NOW = 1_732_000_000
OLD, NEW = "an old secret of github", "a new secret of github"
BODY = b'{"repository": {"full_name": "acme/rockets"}, "id": "evt_1"}'


def source(scheme: HookScheme) -> HookSource:
    return HookSource(name="them", scheme=scheme, tenant=Tenant("acme"), topic="hooks:all")


STANDARD, GITHUB, STRIPE = map(source, HookScheme)
STANDARD_SECRET = "whsec_" + base64.b64encode(b"twenty-four bytes or more").decode()


def hex_mac(secret: str, signed: bytes) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def from_github(secret: str = OLD, body: bytes = BODY, delivery: str = "72d3162e") -> Hook:
    signature = f"sha256={hex_mac(secret, body)}"
    return Hook(
        {"x-hub-signature-256": signature, "x-github-delivery": delivery, "x-github-event": "push", "host": "h"}, body
    )


def from_stripe(secret: str = OLD, body: bytes = BODY, at: int = NOW) -> Hook:
    return Hook({"stripe-signature": f"t={at},v1={hex_mac(secret, f'{at}.'.encode() + body)},v0=older"}, body)


def from_standard(secret: str = STANDARD_SECRET, body: bytes = BODY, at: int = NOW, hook_id: str = "msg_1") -> Hook:
    signature = Webhook(secret).sign(hook_id, datetime.fromtimestamp(at, tz=UTC), body.decode())
    return Hook({"webhook-id": hook_id, "webhook-timestamp": str(at), "webhook-signature": signature}, body)


def is_refused(of: HookSource, secrets: list[str], hook: Hook, now: float = NOW) -> bool:
    try:
        verify_hook(of, secrets, hook, now)
    except HookRefusedError as exc:
        return exc.code is ErrorCode.UNAUTHORIZED
    return False


class TestGitHub:
    def test_the_signature_in_githubs_documentation_is_good(self) -> None:
        signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        hook = Hook({"x-hub-signature-256": signature, "x-github-delivery": "1"}, b"Hello, World!")
        with pytest.raises(RequestError) as caught:
            verify_hook(GITHUB, ["It's a Secret to Everybody"], hook, NOW)
        assert caught.value.code is ErrorCode.INVALID_JSON, "it got as far as the body, which is no JSON"
        assert is_refused(GITHUB, ["It's a Secret to Nobody.."], hook)

    def test_the_delivery_is_the_id_and_the_event_is_told(self) -> None:
        verified = verify_hook(GITHUB, [OLD], from_github(), NOW)
        assert verified.id == "72d3162e"
        assert verified.headers == {"x-github-event": "push"}
        assert verified.body == BODY

    def test_another_delivery_id_does_not_make_a_recording_new(self) -> None:
        first = verify_hook(GITHUB, [OLD], from_github(), NOW)
        again = verify_hook(GITHUB, [OLD], from_github(delivery="another"), NOW)
        assert first.identity == again.identity

    def test_the_older_sha_1_is_not_enough(self) -> None:
        signature = hmac.new(OLD.encode(), BODY, hashlib.sha1).hexdigest()
        assert is_refused(GITHUB, [OLD], Hook({"x-hub-signature": f"sha1={signature}", "x-github-delivery": "1"}, BODY))

    def test_one_without_a_delivery_id_is_invalid(self) -> None:
        hook = from_github(delivery="")
        with pytest.raises(RequestError):
            verify_hook(GITHUB, [OLD], hook, NOW)


class TestStripe:
    def test_a_signature_in_stripes_form_is_good(self) -> None:
        # Known answer: HMAC-SHA256 by `openssl dgst -sha256 -hmac`.
        body = b'{"id":"evt_1","object":"event"}'
        signature = "1c84b295508f00a70ed6bdc0c3b2f66cc5a5e2423d76135977ade8fea3d4c076"
        hook = Hook({"stripe-signature": f"t=1732000000,v1={signature}"}, body)
        assert verify_hook(STRIPE, ["whsec_stripe_takes_it_as_it_is"], hook, NOW).id == "evt_1"

    def test_the_event_is_the_id(self) -> None:
        assert verify_hook(STRIPE, [OLD], from_stripe(), NOW).identity == "evt_1"

    def test_any_of_several_signatures_will_do(self) -> None:
        hook = from_stripe()
        doubled = hook.headers["stripe-signature"].replace(",v1=", f",v1={'0' * 64},v1=")
        assert verify_hook(STRIPE, [OLD], replace(hook, headers={"stripe-signature": doubled}), NOW).id == "evt_1"

    def test_a_second_time_beside_the_signed_one_is_refused(self) -> None:
        hook = from_stripe(at=NOW - 3600)
        for header in (f"t={NOW}," + hook.headers["stripe-signature"], hook.headers["stripe-signature"] + f",t={NOW}"):
            assert is_refused(STRIPE, [OLD], replace(hook, headers={"stripe-signature": header}))

    @pytest.mark.parametrize("body", [b'{"object":"event"}', b'{"id":""}', b'{"id":7}', b"[]", b"7"])
    def test_an_event_without_an_id_is_invalid(self, body: bytes) -> None:
        with pytest.raises(RequestError) as caught:
            verify_hook(STRIPE, [OLD], from_stripe(body=body), NOW)
        assert not isinstance(caught.value, HookRefusedError)


class TestStandardWebhooks:
    def test_what_the_reference_library_signs_is_good(self) -> None:
        verified = verify_hook(STANDARD, [STANDARD_SECRET], from_standard(), NOW)
        assert (verified.id, verified.identity) == ("msg_1", "msg_1")

    def test_the_reference_librarys_own_vector_is_good(self) -> None:
        # From the tests of the reference libraries.
        headers = {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        }
        hook = Hook(headers, b'{"test": 2432232314}')
        secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
        assert verify_hook(STANDARD, [secret], hook, 1_614_265_330).id == "msg_p5jXN8AQM9LWM0D4loKWxJek"

    def test_a_secret_is_good_without_its_prefix_and_its_padding(self) -> None:
        bare = STANDARD_SECRET.removeprefix("whsec_").rstrip("=")
        assert verify_hook(STANDARD, [bare], from_standard(), NOW).id == "msg_1"

    def test_an_ed25519_signature_is_good_with_the_public_key(self) -> None:
        private = Ed25519PrivateKey.generate()
        public = "whpk_" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
        signature = base64.b64encode(private.sign(f"msg_1.{NOW}.".encode() + BODY)).decode()
        signatures = f"v1a,{signature} v1,bm90IG9uZQ=="
        hook = Hook({"webhook-id": "msg_1", "webhook-timestamp": str(NOW), "webhook-signature": signatures}, BODY)
        assert verify_hook(STANDARD, [STANDARD_SECRET, public], hook, NOW).id == "msg_1"
        assert is_refused(STANDARD, [STANDARD_SECRET], hook)
        assert is_refused(STANDARD, [public], replace(hook, body=BODY + b" "))

    def test_a_public_key_is_no_shared_secret(self) -> None:
        raw = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        forged = from_standard(base64.b64encode(raw).decode())
        assert is_refused(STANDARD, ["whpk_" + base64.b64encode(raw).decode()], forged)

    def test_no_part_of_the_body_passes_for_the_time(self) -> None:
        hook = from_standard(body=f"{NOW}.5".encode(), at=NOW - 3600)
        shifted = Hook({**hook.headers, "webhook-id": f"msg_1.{NOW - 3600}", "webhook-timestamp": str(NOW)}, b"5")
        with pytest.raises(RequestError):
            verify_hook(STANDARD, [STANDARD_SECRET], shifted, NOW)


MAKERS: list[tuple[HookSource, str, Callable[..., Hook]]] = [
    (STANDARD, STANDARD_SECRET, from_standard),
    (GITHUB, OLD, from_github),
    (STRIPE, OLD, from_stripe),
]
schemes = pytest.mark.parametrize(("of", "secret", "sign"), MAKERS, ids=list(HookScheme))
timed = pytest.mark.parametrize(("of", "secret", "sign"), [MAKERS[0], MAKERS[2]], ids=["standard", "stripe"])


class TestEveryScheme:
    @schemes
    def test_while_secrets_are_rotated_both_are_good_and_afterwards_one(
        self, of: HookSource, secret: str, sign: Callable[..., Hook]
    ) -> None:
        newer = "whsec_" + base64.b64encode(NEW.encode()).decode() if of is STANDARD else NEW
        for signed in (sign(secret), sign(newer)):
            assert not is_refused(of, [secret, newer], signed)
        assert is_refused(of, [newer], sign(secret))

    @schemes
    def test_without_a_secret_nothing_is_good(self, of: HookSource, secret: str, sign: Callable[..., Hook]) -> None:
        assert is_refused(of, [], sign(secret))

    @schemes
    @pytest.mark.parametrize("weak", ["", "short"])
    def test_a_secret_that_can_be_guessed_is_an_error_of_the_settings(
        self, of: HookSource, secret: str, sign: Callable[..., Hook], weak: str
    ) -> None:
        with pytest.raises(SettingsError):
            verify_hook(of, [weak], sign(secret), NOW)

    @schemes
    def test_every_header_of_the_signature_is_needed(
        self, of: HookSource, secret: str, sign: Callable[..., Hook]
    ) -> None:
        hook = sign(secret)
        for name in [name for name in hook.headers if "github" not in name and name != "host"]:
            assert is_refused(of, [secret], replace(hook, headers={**hook.headers, name: ""}))

    @schemes
    def test_a_forger_is_told_the_same_whatever_is_wrong(
        self, of: HookSource, secret: str, sign: Callable[..., Hook]
    ) -> None:
        sentences = set()
        for hook in (sign(NEW + "=" * 2), replace(sign(secret), body=b"{}"), Hook({}, BODY)):
            with pytest.raises(HookRefusedError) as caught:
                verify_hook(of, [secret], hook, NOW)
            sentences.add(caught.value.message)
        assert len(sentences) == 1

    @timed
    def test_a_recording_is_good_for_five_minutes(self, of: HookSource, secret: str, sign: Callable[..., Hook]) -> None:
        for age in (TOLERANCE_SECONDS, -TOLERANCE_SECONDS):
            assert not is_refused(of, [secret], sign(secret, at=NOW - age))
            assert is_refused(of, [secret], sign(secret, at=NOW - age), now=NOW + (1 if age > 0 else -1))

    @schemes
    def test_a_body_nested_too_deeply_is_invalid(self, of: HookSource, secret: str, sign: Callable[..., Hook]) -> None:
        body = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
        with pytest.raises(RequestError) as caught:
            verify_hook(of, [secret], sign(secret, body=body), NOW)
        assert caught.value.code is ErrorCode.INVALID_JSON

    @schemes
    @given(data=st.data())
    def test_no_change_of_the_body_goes_unnoticed(
        self, of: HookSource, secret: str, sign: Callable[..., Hook], data: st.DataObject
    ) -> None:
        changed = data.draw(changes_of(BODY))
        assert is_refused(of, [secret], replace(sign(secret), body=changed))

    @schemes
    @given(data=st.data())
    def test_no_change_of_what_is_signed_in_the_headers_goes_unnoticed(
        self, of: HookSource, secret: str, sign: Callable[..., Hook], data: st.DataObject
    ) -> None:
        hook = sign(secret)
        names = [name for name in hook.headers if name not in {"x-github-delivery", "x-github-event", "host"}]
        name = data.draw(st.sampled_from(names))
        value = hook.headers[name].removesuffix(",v0=older")
        changed = data.draw(changes_of(value.encode("latin-1"))).decode("latin-1")
        # Blanks around a part, and unknown parts beside it, change nothing of what is said.
        said = {part.strip() for part in changed.replace(" ", ",").split(",")}
        if {part.strip() for part in value.replace(" ", ",").split(",")} <= said:
            return
        assert is_refused(of, [secret], replace(hook, headers={**hook.headers, name: changed}))

    @schemes
    @given(values=st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()))
    def test_whatever_stands_in_headers_is_refused_without_another_error(
        self, of: HookSource, secret: str, sign: Callable[..., Hook], values: dict[str, str]
    ) -> None:
        text = "\udcff".join(values.values())
        headers = {**values, "x-hub-signature-256": text, "stripe-signature": f"t={text},v1={text}"}
        assert is_refused(of, [secret], Hook(headers, BODY))


def changes_of(value: bytes) -> st.SearchStrategy[bytes]:
    """The value with one byte put in, taken out, or replaced."""
    places = st.integers(0, len(value) - 1)
    return st.one_of(
        st.builds(lambda at, byte: value[:at] + bytes([byte]) + value[at:], places, st.integers(0, 255)),
        st.builds(lambda at: value[:at] + value[at + 1 :], places),
        st.builds(lambda at, byte: value[:at] + bytes([byte]) + value[at + 1 :], places, st.integers(0, 255)),
    ).filter(lambda changed: changed != value)


class Memory:
    """`SeenHooks` in a dictionary: True once a webhook has been dealt with."""

    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], bool] = {}
        self.seconds: list[int] = []

    def first_time(self, source: str, identity: str, seconds: int) -> bool:
        self.seconds.append(seconds)
        if self.seen.get((source, identity)) is False:
            raise TransientError
        return self.seen.setdefault((source, identity), False) is False

    def remember(self, source: str, identity: str, seconds: int) -> None:
        self.seconds.append(seconds)
        self.seen[source, identity] = True

    def forget(self, source: str, identity: str) -> None:
        self.seen.pop((source, identity), None)


class TestReceiving:
    @pytest.fixture
    def hook(self) -> VerifiedHook:
        return verify_hook(GITHUB, [OLD], from_github(), NOW)

    def test_a_webhook_is_published_once(self, hook: VerifiedHook) -> None:
        memory, topics = Memory(), []
        for _ in range(3):
            receive_hook(hook, GITHUB, memory, topics.append)
        assert topics == ["hooks:all"]
        assert memory.seconds[:2] == [CLAIM_SECONDS, MEMORY_SECONDS[HookScheme.GITHUB]]

    def test_what_publishing_returns_is_returned(self, hook: VerifiedHook) -> None:
        memory = Memory()
        assert receive_hook(hook, GITHUB, memory, lambda topic: "e:1") == "e:1"
        assert receive_hook(hook, GITHUB, memory, lambda topic: "e:2") is None

    def test_one_that_could_not_be_published_is_not_remembered(self, hook: VerifiedHook) -> None:
        def fail(topic: str) -> None:
            raise TransientError

        memory = Memory()
        with pytest.raises(TransientError):
            receive_hook(hook, GITHUB, memory, fail)
        assert receive_hook(hook, GITHUB, memory, lambda topic: "e:1") == "e:1"

    def test_one_that_another_worker_is_at_is_to_be_sent_again(self, hook: VerifiedHook) -> None:
        memory = Memory()
        memory.first_time(GITHUB.name, hook.identity, CLAIM_SECONDS)
        with pytest.raises(TransientError):
            receive_hook(hook, GITHUB, memory, lambda topic: "e:1")

    def test_one_that_fits_no_topic_is_not_claimed(self, hook: VerifiedHook) -> None:
        memory = Memory()
        with pytest.raises(UnmappedHookError):
            receive_hook(hook, replace(GITHUB, topic="hooks:{absent}"), memory, lambda topic: "e:1")
        assert memory.seen == {}


def test_the_body_reaches_the_topic_byte_for_byte() -> None:
    body = json.dumps({"id": "evt_1", "text": "Grüße\n"}, indent=2).encode()
    assert verify_hook(STRIPE, [OLD], from_stripe(body=body), NOW).body == body
