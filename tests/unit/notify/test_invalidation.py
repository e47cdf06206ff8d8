"""Applying a batch of changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pytest

from notify.hearing import Hearing
from notify.invalidation import Invalidation
from notify.live_changes import LiveChanges
from push.adapters.dynamodb.images import read_image
from push.changes.declaring import ChangeBatch, ChangeFunction, ChangeFunctions, changes_of
from push.changes.reading import KEPT_RECORD
from push.changes.records import ChangedTag, ChangeRecord
from push.changes.source_names import SourceNames
from push.changes.telling import Teller
from push.errors import CacheUnavailableError, QueueUnavailableError, TransientError
from push.keys import Key
from push.metrics import Metric
from push.queues.bodies import INLINE_BODIES, encode_body
from push.settings import CacheSettings
from push.sources.declared import parse_sources
from push.sources.raised_tags import RaisedTags, serialize_raised_tags
from push.tags import ALL_SCOPES, TagScope
from tests.builders.change_records import message, notification, row_record, stream_record, text
from tests.builders.results import NOW_MS
from tests.fakes.queues import FakeCounter

NOW = NOW_MS / 1000

SOURCES = parse_sources(
    """{"tables": {"Orders": {"name": "shop-Orders"}}, "buckets": {"Files": {"name": "storage"}},
    "streams": {"ledger": {"name": "shop-ledger"}, "rows": {"name": "shop-rows", "format": "dms"}}}"""
)


class Effects(LiveChanges):
    """`TagIndex`, `LiveChanges` and `KeptChanges` that note what they were told, in order; scopes in `away` fail."""

    def __init__(self) -> None:
        self.away: set[TagScope] = set()
        self.away_after: set[TagScope] = set()
        self.noted: list[tuple[Any, ...]] = []
        self.announced: list[tuple[Any, ...]] = []
        self.letters: list[dict[str, Any]] = []
        self.is_full = False

    async def invalidate(self, scope: TagScope, tags: Sequence[str]) -> int:
        if scope in self.away:
            raise CacheUnavailableError("Redis is away.")
        self.noted.append((scope, *tags))
        return 7

    async def announce(self, scope: TagScope, tags: Collection[str], changed_at_ms: int) -> None:
        assert self.noted[-1] == (scope, *tags), "the versions are raised before"
        self.announced.append((scope, *tags, changed_at_ms))
        if scope in self.away_after:
            raise QueueUnavailableError("SQS is away.")

    def keep(self, messages: Sequence[str]) -> None:
        if self.is_full:
            raise QueueUnavailableError("SQS is away.")
        self.letters += map(json.loads, messages)

    async def read_versions(self, tenant: object, tags: Sequence[str]) -> Any:
        raise AssertionError("a change reads no versions")

    async def enlist(self, key: Key, tags: Sequence[str], keep_ms: int) -> Any:
        raise AssertionError("a change enlists nothing")


@pytest.fixture
def effects() -> Effects:
    return Effects()


@pytest.fixture
def counter() -> FakeCounter:
    return FakeCounter()


Make = Callable[..., Invalidation]


@pytest.fixture
def make(effects: Effects, counter: FakeCounter) -> Make:
    """Return the parts over the functions of an application."""

    def make(*functions: ChangeFunction) -> Invalidation:
        teller = Teller(SourceNames(SOURCES), ChangeFunctions(functions), read_image)
        return Invalidation(
            hearing=Hearing(teller=teller, bodies=INLINE_BODIES, counter=counter),
            tags=effects,
            live=effects,
            kept=effects,
            counter=counter,
            now_ms=lambda: NOW_MS,
            settings=CacheSettings(cache_url="redis://127.0.0.1:1"),
        )

    return make


def entry(account: object, number: str = "1", at: float = 0.0) -> dict[str, Any]:
    return stream_record("shop-ledger", {"account": account, "tenant": "acme"}, number=number, at=at)


@changes_of("ledger")
def by_account(record: ChangeRecord) -> list[str]:
    return [f"account:{record.body['account'] + 0}"]


@changes_of("ledger")
async def by_tenant(record: ChangeRecord) -> ChangedTag:
    return ChangedTag("accounts", record.body["tenant"])


async def test_a_function_names_the_tags_of_a_record(make: Make, effects: Effects) -> None:
    assert await make(by_account).apply([entry(7)]) == []
    assert effects.noted == [(ALL_SCOPES, "account:7")]
    assert effects.announced == [(ALL_SCOPES, "account:7", NOW_MS)]


async def test_several_functions_of_a_source_are_all_asked(make: Make, effects: Effects) -> None:
    await make(by_account, by_tenant).apply([entry(7)])
    assert effects.noted == [(ALL_SCOPES, "account:7"), ("acme", "accounts")]


async def test_a_tag_is_raised_once_in_a_batch(make: Make, effects: Effects) -> None:
    await make(by_account).apply([entry(number % 2, str(number)) for number in range(50)])
    assert effects.noted == [(ALL_SCOPES, "account:0", "account:1")]


async def test_a_function_and_the_rule_of_a_table_both_apply(make: Make, effects: Effects) -> None:
    @changes_of("Orders")
    def by_customer(record: ChangeRecord) -> list[str]:
        assert (record.operation, record.key, record.old) == ("update", {"id": "1"}, None)
        assert record.new == {"id": "1", "customer": "ann", "total": 3}
        return [f"customer:{record.new['customer']}"]

    new = {"customer": text("ann"), "total": {"N": "3"}}
    await make(by_customer).apply([row_record("shop-Orders", {"id": text("1")}, new=new)])
    assert (ALL_SCOPES, "customer:ann") in effects.noted
    ((_, *by_rule),) = (noted for noted in effects.noted if noted[0] is None)
    assert {"@shop-Orders", "@shop-Orders#id=1"} <= set(by_rule)


async def test_the_tags_of_a_bucket_are_raised_by_its_rule(make: Make, effects: Effects) -> None:
    await make().apply([message(notification("reports/1.json"))])
    assert effects.noted == [(None, "@s3:storage", "@s3:storage/reports/", "@s3:storage/reports/1.json")]


async def test_a_row_of_a_database_raises_its_table_and_its_key_in_all_scopes(make: Make, effects: Effects) -> None:
    metadata = {
        "operation": "insert",
        "schema-name": "shop",
        "table-name": "orders",
        "partition-key-type": "primary-key",
    }
    record = stream_record("shop-rows", {"data": {"id": 42}, "metadata": metadata}, partition_key="42")
    await make().apply([record])
    assert effects.noted == [(ALL_SCOPES, "rows:shop.orders", "rows:shop.orders#42")]


async def test_a_record_that_a_function_fails_at_is_kept_and_holds_up_no_other(
    make: Make, effects: Effects, counter: FakeCounter, caplog: pytest.LogCaptureFixture
) -> None:
    batch = [entry("seven", "1"), entry(8, "2")]
    assert await make(by_account, by_tenant).apply(batch) == []
    assert effects.noted == [("acme", "accounts"), (ALL_SCOPES, "account:8")]
    (letter,) = effects.letters
    assert letter[KEPT_RECORD] == batch[0]
    assert "by_account" in letter["reason"]
    assert "TypeError" in letter["reason"]
    assert counter.of(Metric.CHANGE_FAILURE, ("Source", "ledger")) == 1
    (line,) = caplog.records
    assert line.exc_info is not None


@pytest.mark.parametrize("returned", [7, [7], "", ["@Orders"], ["x" * 256], [["tag"]]])
async def test_a_function_that_returns_no_tags_has_failed(make: Make, effects: Effects, returned: object) -> None:
    @changes_of("ledger")
    def wrong(_record: ChangeRecord) -> object:
        return returned

    assert await make(wrong).apply([entry(7)]) == []
    assert (effects.noted, len(effects.letters)) == ([], 1)


async def test_a_function_may_name_no_tags(make: Make, effects: Effects) -> None:
    @changes_of("ledger")
    def ignore(_record: ChangeRecord) -> None:
        """Name none."""

    assert await make(ignore).apply([entry(7)]) == []
    assert (effects.noted, effects.letters) == ([], [])


async def test_a_function_may_ask_to_be_asked_again(make: Make, effects: Effects) -> None:
    @changes_of("ledger")
    async def impatient(record: ChangeRecord) -> list[str]:
        if record.body["account"] == 7:
            raise TransientError("A table throttles.")
        return ["seen"]

    assert await make(impatient).apply([message("{}", "m0"), entry(7, "1"), entry(8, "2")]) == ["1"]
    assert effects.noted == [(ALL_SCOPES, "seen")]


async def test_what_cant_be_read_is_kept_counted_and_holds_up_nothing(
    make: Make, effects: Effects, counter: FakeCounter, caplog: pytest.LogCaptureFixture
) -> None:
    batch = [stream_record("shop-ledger", b"{", number="1"), entry(8, "2")]
    assert await make(by_account).apply(batch) == []
    assert effects.noted == [(ALL_SCOPES, "account:8")]
    assert [letter[KEPT_RECORD] for letter in effects.letters] == batch[:1]
    assert counter.of(Metric.UNREADABLE_CHANGE) == 1
    assert "record 1 can't be read and is kept" in caplog.text


@pytest.mark.parametrize(
    "record", [stream_record("others", {}), message('{"unknown":1}'), message("zstd:?"), message("x")]
)
async def test_a_record_of_no_source_is_kept(make: Make, effects: Effects, record: dict[str, Any]) -> None:
    assert await make().apply([record]) == []
    assert (effects.noted, len(effects.letters)) == ([], 1)


async def test_what_can_not_be_kept_is_tried_again(make: Make, effects: Effects) -> None:
    effects.is_full = True
    assert await make(by_account).apply([stream_record("shop-ledger", b"{", number="1"), entry(8, "2")]) == ["1"]


async def test_a_stream_keeps_nothing_that_it_will_tell_again(make: Make, effects: Effects) -> None:
    effects.away = {ALL_SCOPES}
    unreadable = [stream_record("shop-ledger", b"{", number=number) for number in ("1", "3")]
    assert await make(by_account).apply([unreadable[0], entry(7, "2"), unreadable[1]]) == ["2"]
    assert [letter[KEPT_RECORD] for letter in effects.letters] == unreadable[:1]


async def test_the_queue_keeps_each_message_by_itself(make: Make, effects: Effects) -> None:
    effects.away = {"acme"}
    raised = message('{"tags":["rates"],"tenant":"acme"}', "m1")
    assert await make().apply([raised, message("{}", "m2")]) == ["m1"]
    assert [letter[KEPT_RECORD]["body"] for letter in effects.letters] == ["{}"]


async def test_a_kept_record_that_is_sent_again_takes_its_own_way(make: Make, effects: Effects) -> None:
    await make().apply([entry("seven"), stream_record("shop-ledger", b"{")])
    await make(by_account).apply([message(json.dumps({KEPT_RECORD: entry(7), "reason": "it failed"}))])
    assert effects.noted == [(ALL_SCOPES, "account:7")]


async def test_a_function_sees_its_batch_before_the_tags_are_raised(make: Make, effects: Effects) -> None:
    async def note(batch: ChangeBatch) -> None:
        effects.noted.append(("before", *(record.body["account"] for record in batch.records)))

    @changes_of("ledger", before=note)
    def tags_of(_record: ChangeRecord) -> list[str]:
        return ["accounts"]

    await make(tags_of).apply([entry(number, str(number)) for number in (7, 8, 7)])
    assert effects.noted == [("before", 7, 8, 7), (ALL_SCOPES, "accounts")]


@pytest.mark.parametrize("error", [TransientError("Redis is away."), ValueError("a mistake")])
async def test_no_tag_is_raised_before_a_function_has_seen_its_batch(
    make: Make, effects: Effects, error: Exception
) -> None:
    async def fail(_batch: ChangeBatch) -> None:
        raise error

    @changes_of("ledger", before=fail)
    def tags_of(_record: ChangeRecord) -> list[str]:
        return ["accounts"]

    assert await make(tags_of).apply([entry(7, "1"), entry(8, "2")]) == ["1", "2"]
    assert effects.noted == []


async def test_without_redis_every_change_is_to_be_tried_again(make: Make, effects: Effects) -> None:
    effects.away = {ALL_SCOPES}
    assert await make(by_account).apply([entry(7, "1"), entry(8, "2")]) == ["1", "2"]


async def test_one_scopes_trouble_is_not_anothers(make: Make, effects: Effects) -> None:
    effects.away = {"acme"}
    batch = [
        message(json.dumps({"tags": ["rates"], "tenant": tenant}), str(number))
        for number, tenant in enumerate(["globex", "acme", "initech", "acme"])
    ]
    assert await make().apply(batch) == ["1", "3"]
    assert {scope for scope, *_ in effects.noted} == {"globex", "initech"}


async def test_what_could_not_be_announced_is_tried_again(make: Make, effects: Effects) -> None:
    effects.away_after = {"acme"}
    batch = [message(json.dumps({"tags": ["rates"], "tenant": tenant}), tenant) for tenant in ("acme", "globex")]
    assert await make().apply(batch) == ["acme"]


@pytest.mark.parametrize(
    ("body", "scope"),
    [
        ('{"tags":["rates","fees"],"tenant":"acme"}', "acme"),
        ('{"tags":["rates","fees"],"scope":"shared"}', None),
        ('{"tags":["rates","fees"],"scope":"all"}', ALL_SCOPES),
    ],
)
async def test_raised_tags_go_the_way_of_every_change(
    make: Make, effects: Effects, counter: FakeCounter, body: str, scope: TagScope
) -> None:
    assert await make().apply([message(body)]) == []
    assert effects.noted == [(scope, "rates", "fees")]
    assert effects.announced == [(scope, "rates", "fees", NOW_MS)]
    assert counter.of(Metric.CHANGE, ("Source", "tags")) == 1


async def test_many_raised_tags_come_compressed(make: Make, effects: Effects) -> None:
    raised = RaisedTags(tuple(f"rate-{number:0200}" for number in range(100)), tenant="acme")
    body = encode_body(serialize_raised_tags(raised))
    assert body.startswith("zstd:")
    await make().apply([message(body)])
    assert effects.noted == [("acme", *raised.tags)]


async def test_changes_tags_and_keys_are_counted_by_source(make: Make, counter: FakeCounter) -> None:
    await make(by_account).apply([entry(7, "1"), entry(7, "2"), entry(8, "3")])
    await make().apply([message(notification("a"))])
    sources = [("Source", "ledger"), ("Source", "Files")]
    assert [counter.of(Metric.CHANGE, source) for source in sources] == [3, 1]
    assert [counter.of(Metric.TAGS_RAISED, source) for source in sources] == [2, 2]
    assert [counter.of(Metric.INVALIDATED, source) for source in sources] == [7, 7]
    assert counter.of(Metric.INVALIDATED) == 14


async def test_the_lag_of_a_source_is_the_age_of_its_oldest_change(make: Make, counter: FakeCounter) -> None:
    raised = {**message('{"tags":["rates"],"tenant":"acme"}'), "attributes": {"SentTimestamp": str(NOW_MS - 5)}}
    await make().apply([entry(7, at=NOW - 3), entry(7, at=NOW - 40), entry(7), raised])
    assert counter.of(Metric.CHANGE_LAG_MILLISECONDS, ("Source", "ledger")) == pytest.approx(40_000)
    assert counter.of(Metric.CHANGE_LAG_MILLISECONDS, ("Source", "tags")) == pytest.approx(5)
    assert counter.of(Metric.CHANGE_LAG_MILLISECONDS) == pytest.approx(40_000)


async def test_clocks_that_differ_make_no_negative_lag(make: Make, counter: FakeCounter) -> None:
    await make().apply([entry(7, at=NOW + 9)])
    assert counter.of(Metric.CHANGE_LAG_MILLISECONDS) == 0


async def test_the_time_for_which_a_record_was_kept_is_no_lag(make: Make, counter: FakeCounter) -> None:
    await make(by_account).apply([message(json.dumps({KEPT_RECORD: entry(7, at=NOW - 9), "reason": "it failed"}))])
    assert counter.of(Metric.CHANGE, ("Source", "ledger")) == 1
    assert (Metric.CHANGE_LAG_MILLISECONDS, None) not in counter.counts
