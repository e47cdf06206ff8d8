"""What came before is remembered in Redis, and the secrets of senders are kept in Secrets Manager."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from push.adapters.redis.connection import SyncRedis
from push.adapters.redis.seen_hooks import RedisSeenHooks
from push.adapters.secrets.hooks import FRESH_SECONDS, KEPT_SECONDS, CachedHookSecrets, fetch_hook_secrets
from push.errors import SettingsError, TransientError
from push.settings import CacheSettings
from tests.servers.aws import Aws


class TestSeenHooks:
    @pytest.fixture
    def redis(self, redis_url: str) -> SyncRedis:
        return SyncRedis(CacheSettings(cache_url=redis_url, cache_timeout_ms=2000))

    @pytest.fixture
    def seen(self, redis: SyncRedis) -> RedisSeenHooks:
        return RedisSeenHooks(redis)

    @pytest.fixture
    def source(self) -> str:
        return f"source-{uuid.uuid4()}"

    def test_what_was_dealt_with_is_not_new(self, seen: RedisSeenHooks, source: str) -> None:
        assert seen.first_time(source, "msg_1", 60)
        seen.remember(source, "msg_1", 60)
        assert not seen.first_time(source, "msg_1", 60)

    def test_ids_are_a_sources_own(self, seen: RedisSeenHooks, source: str) -> None:
        assert seen.first_time(source, "msg_1", 60)
        assert seen.first_time(source, "msg_2", 60)
        assert seen.first_time(f"{source}-2", "msg_1", 60)

    def test_while_one_deals_with_it_another_is_to_come_again(self, seen: RedisSeenHooks, source: str) -> None:
        assert seen.first_time(source, "msg_1", 60)
        with pytest.raises(TransientError):
            seen.first_time(source, "msg_1", 60)

    def test_what_was_not_dealt_with_after_all_is_new(self, seen: RedisSeenHooks, source: str) -> None:
        assert seen.first_time(source, "msg_1", 60)
        seen.forget(source, "msg_1")
        assert seen.first_time(source, "msg_1", 60)

    def test_claims_and_memories_end(self, seen: RedisSeenHooks, redis: SyncRedis, source: str) -> None:
        seen.first_time(source, "msg_1", 60)
        (name,) = redis.run("KEYS", f"hook:{source}:*")
        assert 50 < redis.run("TTL", name) <= 60
        seen.remember(source, "msg_1", 3600)
        assert 3500 < redis.run("TTL", name) <= 3600

    def test_of_several_at_once_one_is_first(self, redis_url: str, source: str) -> None:
        memories = [
            RedisSeenHooks(SyncRedis(CacheSettings(cache_url=redis_url, cache_timeout_ms=2000))) for _ in "1234"
        ]

        def is_first(seen: RedisSeenHooks) -> bool:
            try:
                return seen.first_time(source, "msg_1", 60)
            except TransientError:
                return False

        with ThreadPoolExecutor() as pool:
            assert sorted(pool.map(is_first, memories)) == [False, False, False, True]

    def test_without_redis_the_sender_is_to_come_again(self) -> None:
        seen = RedisSeenHooks(SyncRedis(CacheSettings(cache_url="redis://127.0.0.1:1/0")))
        with pytest.raises(TransientError):
            seen.first_time("github", "msg_1", 60)


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


class TestSecrets:
    @pytest.fixture
    def now(self) -> list[float]:
        return [1000.0]

    @pytest.fixture
    def fetches(self) -> Fetches:
        return Fetches()

    @pytest.fixture
    def secrets(self, fetches: Fetches, now: list[float]) -> CachedHookSecrets:
        return CachedHookSecrets(fetches, lambda: now[0])

    def test_each_source_has_a_list_of_them(self, aws: Aws) -> None:
        client = aws.client("secretsmanager")
        text = '{"github": ["old", "new"], "stripe": ["whsec_x"]}'
        arn = client.create_secret(Name=f"{aws.bucket}-hooks", SecretString=text)["ARN"]
        secrets = CachedHookSecrets(lambda: fetch_hook_secrets(client, arn))
        assert list(secrets.find("github")) == ["old", "new"]
        assert list(secrets.find("stripe")) == ["whsec_x"]

    @pytest.mark.parametrize("text", ["hunter2", '{"github": "hunter2"}', '["hunter2"]', '{"github": [2]}'])
    def test_what_is_not_of_that_form_is_an_error_that_does_not_quote_it(self, aws: Aws, text: str) -> None:
        client = aws.client("secretsmanager")
        arn = client.create_secret(Name=f"{aws.bucket}-{uuid.uuid4()}", SecretString=text)["ARN"]
        with pytest.raises(SettingsError) as caught:
            fetch_hook_secrets(client, arn)
        assert "hunter2" not in caught.value.message
        assert caught.value.__suppress_context__

    def test_a_secret_that_is_not_there_is_transient(self, aws: Aws) -> None:
        with pytest.raises(TransientError):
            fetch_hook_secrets(aws.client("secretsmanager"), "arn:aws:secretsmanager:us-east-1:1:secret:absent")

    def test_a_source_without_any_is_an_error_of_the_settings(
        self, fetches: Fetches, secrets: CachedHookSecrets
    ) -> None:
        fetches.answer = {"github": []}
        for source in ("github", "unheard of"):
            with pytest.raises(SettingsError):
                secrets.find(source)

    def test_they_are_fetched_once_a_minute(
        self, fetches: Fetches, secrets: CachedHookSecrets, now: list[float]
    ) -> None:
        assert [*secrets.find("github"), *secrets.find("github")] == ["one", "one"]
        assert fetches.count == 1
        fetches.answer = {"github": ["two"]}
        now[0] += FRESH_SECONDS
        assert list(secrets.find("github")) == ["two"]

    def test_they_stay_good_for_a_day_while_they_can_not_be_fetched(
        self, fetches: Fetches, secrets: CachedHookSecrets, now: list[float]
    ) -> None:
        secrets.find("github")
        fetches.answer = TransientError()
        now[0] += KEPT_SECONDS - 1
        assert list(secrets.find("github")) == ["one"]
        now[0] += FRESH_SECONDS
        with pytest.raises(TransientError):
            secrets.find("github")
