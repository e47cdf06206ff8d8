"""Master secrets from Secrets Manager: the current one, the one before it, and a rotation."""

from __future__ import annotations

import pytest

from push.adapters.secrets.webhook_masters import FRESH_SECONDS, RETRY_SECONDS, WebhookMasters, fetch_masters
from push.errors import SettingsError, TransientError
from tests.servers.aws import Aws

OLD, NEW, NEWEST = "o" * 64, "n" * 64, "w" * 64


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def secret_arn(aws: Aws) -> str:
    return str(aws.client("secretsmanager").create_secret(Name=aws.bucket, SecretString=OLD)["ARN"])


class TestMasters:
    def test_the_current_one_comes_first_and_the_one_before_it_second(self, aws: Aws, secret_arn: str) -> None:
        client = aws.client("secretsmanager")
        assert fetch_masters(client, secret_arn) == [OLD.encode()]
        client.put_secret_value(SecretId=secret_arn, SecretString=NEW)
        assert fetch_masters(client, secret_arn) == [NEW.encode(), OLD.encode()]
        client.put_secret_value(SecretId=secret_arn, SecretString=NEWEST)
        assert fetch_masters(client, secret_arn) == [NEWEST.encode(), NEW.encode()]

    def test_a_rotation_is_seen_within_minutes(self, aws: Aws, secret_arn: str) -> None:
        client, clock = aws.client("secretsmanager"), Clock()
        masters = WebhookMasters(lambda: fetch_masters(client, secret_arn), clock)
        masters.read()
        client.put_secret_value(SecretId=secret_arn, SecretString=NEW)
        assert masters.read() == [OLD.encode()]
        clock.now += FRESH_SECONDS
        assert masters.read() == [NEW.encode(), OLD.encode()]

    def test_a_secret_too_short_to_sign_with_is_an_error_of_the_settings(self, aws: Aws) -> None:
        client = aws.client("secretsmanager")
        arn = client.create_secret(Name=f"{aws.bucket}-short", SecretString="short")["ARN"]
        with pytest.raises(SettingsError):
            fetch_masters(client, arn)

    def test_a_secret_that_is_not_there_is_transient(self, aws: Aws) -> None:
        with pytest.raises(TransientError):
            fetch_masters(aws.client("secretsmanager"), "arn:aws:secretsmanager:us-east-1:1:secret:absent")

    def test_secrets_at_hand_are_used_on_while_new_ones_cannot_be_fetched(self) -> None:
        clock, fetches, is_down = Clock(), 0, False

        def fetch() -> list[bytes]:
            nonlocal fetches
            fetches += 1
            if is_down:
                raise TransientError("down")
            return [OLD.encode()]

        masters = WebhookMasters(fetch, clock)
        masters.read()
        is_down = True
        clock.now += FRESH_SECONDS
        assert [masters.read() for _ in range(5)] == [[OLD.encode()]] * 5
        assert fetches == 2
        clock.now += RETRY_SECONDS
        masters.read()
        assert fetches == 3
