"""Applying a batch of changes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest

from notify.invalidation import Invalidation
from notify.live_changes import LiveChanges
from push.cache.ports import TagVersion
from push.computes import Tenant
from push.errors import CacheUnavailableError, QueueUnavailableError
from push.keys import Key
from push.metrics import Metric
from push.sources.boards import BoardView, ChangedMembers, RefreshedMembers, View
from push.tags import ALL_SCOPES, TagScope
from tests.builders.change_records import document_record, message, notification, score_record
from tests.builders.results import NOW_MS
from tests.fakes.queues import FakeCounter


class Effects(LiveChanges):
    """`TagIndex` and `BoardCache` that note what they were told, in order; those of tenants in `away` fail."""

    def __init__(self) -> None:
        self.away: set[str] = set()
        self.noted: list[tuple[Any, ...]] = []
        self.announced: list[tuple[Any, ...]] = []
        self.away_after: set[str] = set()

    def _note(self, scope: TagScope, *what: Any) -> None:
        if scope in self.away:
            raise CacheUnavailableError("Redis is away.")
        self.noted.append((scope, *what))

    async def invalidate(self, scope: TagScope, tags: Sequence[str]) -> int:
        self._note(scope, *tags)
        return 7

    async def announce(self, scope: TagScope, tags: Collection[str], changed_at_ms: int) -> None:
        assert self.noted[-1] == (scope, *tags), "the versions are raised before"
        self.announced.append((scope, *tags, changed_at_ms))
        if scope in self.away_after:
            raise QueueUnavailableError("SQS is away.")

    async def mark_changed(self, tenant: Tenant, board: str, members: Collection[str]) -> None:
        self._note(tenant, board, list(members))

    async def read_versions(self, tenant: Tenant | None, tags: Sequence[str]) -> tuple[TagVersion, ...]:
        raise AssertionError("a change reads no versions")

    async def enlist(self, key: Key, tags: Sequence[str], keep_ms: int) -> tuple[TagVersion, ...]:
        raise AssertionError("a change enlists nothing")

    async def read(
        self, tenant: Tenant, board: str, view: View, lowest_version: int, refreshed: RefreshedMembers | None = None
    ) -> BoardView | ChangedMembers | None:
        raise AssertionError("a change reads no board")

    async def begin_rebuild(self, tenant: Tenant, board: str, lowest_version: int) -> str | None:
        raise AssertionError("a change rebuilds no board")

    async def end_rebuild(self, tenant: Tenant, board: str, token: str, scores: dict[str, float] | None) -> int | None:
        raise AssertionError("a change rebuilds no board")


@pytest.fixture
def effects() -> Effects:
    return Effects()


@pytest.fixture
def counter() -> FakeCounter:
    return FakeCounter()


@pytest.fixture
def invalidation(effects: Effects, counter: FakeCounter) -> Invalidation:
    return Invalidation(tags=effects, boards=effects, live=effects, counter=counter, now_ms=lambda: NOW_MS)


async def test_a_changed_document_invalidates_its_tags(invalidation: Invalidation, effects: Effects) -> None:
    assert await invalidation.apply([document_record("acme/airports", "CA")]) == []
    assert effects.noted == [("acme", "documents:airports/CA", "documents:airports")]


async def test_members_of_a_board_are_marked_before_its_tag_is_invalidated(
    invalidation: Invalidation, effects: Effects
) -> None:
    await invalidation.apply([score_record("acme/chess", "ada", "5")])
    assert effects.noted == [("acme", "chess", ["ada"]), ("acme", "leaderboard:chess")]


async def test_a_tag_is_invalidated_once_in_a_batch(invalidation: Invalidation, effects: Effects) -> None:
    await invalidation.apply([score_record("acme/chess", "ada", str(n), str(n)) for n in range(50)])
    assert effects.noted == [("acme", "chess", ["ada"]), ("acme", "leaderboard:chess")]


async def test_what_cant_be_read_is_counted_and_holds_up_nothing(
    invalidation: Invalidation, effects: Effects, counter: FakeCounter, caplog: pytest.LogCaptureFixture
) -> None:
    batch = [document_record("nobody's", "CA", "1"), document_record("acme/airports", "CA", "2")]
    assert await invalidation.apply(batch) == []
    assert len(effects.noted) == 1
    assert counter.of(Metric.UNREADABLE_CHANGE) == 1
    assert "record 1 is skipped" in caplog.text


async def test_without_redis_every_change_is_to_be_tried_again(invalidation: Invalidation, effects: Effects) -> None:
    effects.away = {"acme"}
    batch = [document_record("acme/airports", "CA", "1"), score_record("acme/chess", "ada", "5", "2")]
    assert await invalidation.apply(batch) == ["1", "2"]


async def test_one_tenants_trouble_is_not_anothers(invalidation: Invalidation, effects: Effects) -> None:
    effects.away = {"acme"}
    tenants = ["globex", "acme", "initech", "acme"]
    batch = [document_record(f"{tenant}/airports", "CA", str(n)) for n, tenant in enumerate(tenants)]
    assert await invalidation.apply(batch) == ["1", "3"]
    assert {tenant for tenant, *_ in effects.noted} == {"globex", "initech"}


async def test_a_notification_of_several_objects_fails_as_one_message(
    invalidation: Invalidation, effects: Effects
) -> None:
    effects.away = {"acme"}
    keys = ["documents/acme/airports/CA.json", "documents/globex/airports/CA.json"]
    assert await invalidation.apply([message(notification(*keys))]) == ["m1"]


async def test_changes_are_counted_by_source_and_the_keys_they_touch(
    invalidation: Invalidation, counter: FakeCounter
) -> None:
    await invalidation.apply([document_record("acme/airports", "CA"), score_record("acme/chess", "ada", "5", "2")])
    await invalidation.apply([message(notification("documents/acme/airports/CA.json"))])
    sources = {source: counter.of(Metric.CHANGE, ("Source", source)) for source in ("documents", "scores", "objects")}
    assert sources == {"documents": 1, "scores": 1, "objects": 1}
    assert counter.of(Metric.INVALIDATED) == 14


async def test_live_results_are_computed_anew_once_their_tags_are_raised(
    invalidation: Invalidation, effects: Effects
) -> None:
    await invalidation.apply([document_record("acme/airports", "CA")])
    assert effects.announced == [("acme", "documents:airports/CA", "documents:airports", NOW_MS)]


@pytest.mark.parametrize(
    ("body", "scope"),
    [
        ('{"tags":["rates","fees"],"tenant":"acme"}', "acme"),
        ('{"tags":["rates","fees"],"scope":"shared"}', None),
        ('{"tags":["rates","fees"],"scope":"all"}', ALL_SCOPES),
    ],
)
async def test_raised_tags_go_the_way_of_every_change(
    invalidation: Invalidation, effects: Effects, counter: FakeCounter, body: str, scope: TagScope
) -> None:
    assert await invalidation.apply([message(body)]) == []
    assert effects.noted == [(scope, "rates", "fees")]
    assert effects.announced == [(scope, "rates", "fees", NOW_MS)]
    assert counter.of(Metric.CHANGE, ("Source", "tags")) == 1


async def test_what_could_not_be_announced_is_tried_again(invalidation: Invalidation, effects: Effects) -> None:
    effects.away_after = {"acme"}
    batch = [document_record("acme/airports", "CA", "1"), document_record("globex/airports", "CA", "2")]
    assert await invalidation.apply(batch) == ["1"]
