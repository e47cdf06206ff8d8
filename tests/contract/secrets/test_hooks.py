"""The secrets of webhook sources, from Secrets Manager."""

from __future__ import annotations

import uuid

import pytest

from push.adapters.secrets.hooks import FRESH_SECONDS, KEPT_SECONDS, CachedHookSecrets, fetch_hook_secrets
from push.errors import SettingsError, TransientError
from tests.servers.aws import Aws


class Fetches:
    """Answers in turn what it was given last; an error is raised."""

    def __init__(self) -> None:
        self.answer: dict[str, list[str]] | TransientError = {"github": ["one"]}
        self.count = 0

    def __call__(self) -> dict[str, list[str]]:
        self.count += 1
        if isinstance(self.answer, TransientError):
            raise self.answer
        return self.answer


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def fetches() -> Fetches:
    return Fetches()


@pytest.fixture
def secrets(fetches: Fetches, now: list[float]) -> CachedHookSecrets:
    return CachedHookSecrets(fetches, lambda: now[0])


def test_each_source_has_a_list_of_them(aws: Aws) -> None:
    client = aws.client("secretsmanager")
    text = '{"github": ["old", "new"], "stripe": ["whsec_x"]}'
    arn = client.create_secret(Name=f"{aws.bucket}-hooks", SecretString=text)["ARN"]
    secrets = CachedHookSecrets(lambda: fetch_hook_secrets(client, arn))
    assert list(secrets.find("github")) == ["old", "new"]
    assert list(secrets.find("stripe")) == ["whsec_x"]


@pytest.mark.parametrize("text", ["hunter2", '{"github": "hunter2"}', '["hunter2"]', '{"github": [2]}'])
def test_what_is_not_of_that_form_is_an_error_that_does_not_quote_it(aws: Aws, text: str) -> None:
    client = aws.client("secretsmanager")
    arn = client.create_secret(Name=f"{aws.bucket}-{uuid.uuid4()}", SecretString=text)["ARN"]
    with pytest.raises(SettingsError) as caught:
        fetch_hook_secrets(client, arn)
    assert "hunter2" not in caught.value.message
    assert caught.value.__suppress_context__


def test_a_secret_that_is_not_there_is_transient(aws: Aws) -> None:
    with pytest.raises(TransientError):
        fetch_hook_secrets(aws.client("secretsmanager"), "arn:aws:secretsmanager:us-east-1:1:secret:absent")


def test_a_source_without_any_is_an_error_of_the_settings(fetches: Fetches, secrets: CachedHookSecrets) -> None:
    fetches.answer = {"github": []}
    for source in ("github", "unheard of"):
        with pytest.raises(SettingsError):
            secrets.find(source)


def test_they_are_fetched_once_a_minute(fetches: Fetches, secrets: CachedHookSecrets, now: list[float]) -> None:
    assert [*secrets.find("github"), *secrets.find("github")] == ["one", "one"]
    assert fetches.count == 1
    fetches.answer = {"github": ["two"]}
    now[0] += FRESH_SECONDS
    assert list(secrets.find("github")) == ["two"]


def test_they_stay_good_for_a_day_while_they_can_not_be_fetched(
    fetches: Fetches, secrets: CachedHookSecrets, now: list[float]
) -> None:
    secrets.find("github")
    fetches.answer = TransientError()
    now[0] += KEPT_SECONDS - 1
    assert list(secrets.find("github")) == ["one"]
    now[0] += FRESH_SECONDS
    with pytest.raises(TransientError):
        secrets.find("github")
