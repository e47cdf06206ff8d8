"""Which jobs a change has sent for what somebody subscribes to."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence

import msgspec
import pytest
from msgspec.structs import replace

from notify.live_changes import AT_ONCE, SPREAD_PER_SECOND, LiveChanges
from push.cache.jobs import Job, JobKind, Outgoing, serialize_job
from push.computes import Tenant
from push.errors import QueueUnavailableError, TransientError
from push.keys import Key
from push.tags import TagScope
from push.topics.subscriptions import LiveResult, Subscription
from push.topics.topics import Topic, live_topic
from tests.fakes.cache import CacheModel, FakeJobs
from tests.fakes.clock import Clock, Tokens
from tests.fakes.live_results import FakeLinkMarks, FakeRecentChanges

ACME = Tenant("acme")
TAG = "leaderboard:chess"


def live_result(number: int = 1) -> LiveResult:
    key = Key(ACME, "leaderboard", 1, f"{number:032x}")
    return LiveResult(key, ACME, msgspec.Raw(b'{"board":"chess"}'), 2_000_000_000)


class FakeLiveResults:
    """`LiveResults` by tag."""

    def __init__(self) -> None:
        self.by_tag: dict[str, list[LiveResult]] = {}
        self.watched: set[Key] = set()
        self.is_down = False

    async def live_of(self, scope: TagScope, tags: Collection[str]) -> Sequence[LiveResult]:
        return list({each.key: each for tag in tags for each in self.by_tag.get(tag, ())}.values())

    async def remove_live(self, tags: Collection[str], live: LiveResult) -> None:
        for tag in tags:
            self.by_tag[tag] = [each for each in self.by_tag.get(tag, ()) if each.key != live.key]

    async def page(
        self, topic: Topic, shard: int, start: str | None = None, limit: int = 1000
    ) -> tuple[Sequence[Subscription], str | None]:
        """See `Subscribers.page`."""
        if self.is_down:
            raise TransientError("The table is down.")
        is_here = shard == 2 and topic in map(live_topic, self.watched)
        return ([Subscription(topic, "ann=", "ann", 2_000_000_000)] if is_here else []), None


class Changing:
    """A live result whose source changes, and the jobs that are sent for it."""

    def __init__(self, debounce_ms: int = 0) -> None:
        self.clock = Clock()
        self.random: Callable[[], float] = lambda: 0.0
        self.live = FakeLiveResults()
        self.model = CacheModel(self.clock)
        self.marks = FakeLinkMarks(self.model)
        self.jobs = FakeJobs()
        self.changes = LiveChanges(
            live=self.live,
            subscribers=self.live,
            marks=self.marks,
            recent=FakeRecentChanges(CacheModel(self.clock)),
            jobs=self.jobs,
            debounce_ms=debounce_ms,
            now_ms=self.clock,
            new_token=Tokens(),
            random=lambda: self.random(),
        )
        self.live.by_tag[TAG] = [live_result()]
        self.live.watched = {live_result().key}

    async def confirm_links(self) -> None:
        """Note that a worker has written the links."""
        await self.marks.begin(live_result().key, "linking")
        await self.marks.confirm(live_result().key, "linking", "linked")

    async def change(self, *tags: str) -> list[Outgoing]:
        """Announce a change and return what is sent because of it."""
        before = len(self.jobs.sent)
        await self.changes.announce(ACME, tags or (TAG,), self.clock())
        return self.jobs.sent[before:]


async def test_what_nobody_subscribes_to_is_not_computed() -> None:
    assert await Changing().change("leaderboard:go") == []


async def test_what_nobody_subscribes_to_any_more_is_computed_once_again_and_then_forgotten() -> None:
    changing = Changing()
    changing.live.watched.clear()
    assert len(await changing.change()) == 1
    assert await changing.change() == []


async def test_what_somebody_subscribes_to_is_not_forgotten() -> None:
    changing = Changing()
    assert [len(await changing.change()) for _ in range(3)] == [1, 1, 1]


async def test_what_is_forgotten_has_no_mark_of_links() -> None:
    changing = Changing()
    changing.live.watched.clear()
    await changing.confirm_links()
    await changing.change()
    assert (await changing.marks.read(live_result().key)).digest == ""


async def test_what_somebody_subscribes_to_keeps_its_mark_of_links() -> None:
    changing = Changing()
    await changing.confirm_links()
    await changing.change()
    assert (await changing.marks.read(live_result().key)).digest == "linked"


async def test_a_subscriber_who_comes_before_the_mark_is_forgotten_keeps_the_links() -> None:
    changing = Changing()
    changing.live.watched.clear()
    changing.marks.on_forget = lambda: changing.live.watched.add(live_result().key)
    assert [len(await changing.change()) for _ in range(2)] == [1, 1]


async def test_links_stay_while_their_mark_can_not_be_forgotten() -> None:
    changing = Changing()
    changing.live.watched.clear()
    changing.model.is_down = True
    assert [len(await changing.change()) for _ in range(2)] == [1, 1]


async def test_it_is_not_at_every_change_that_subscribers_are_looked_for() -> None:
    changing = Changing()
    changing.live.watched.clear()
    changing.random = lambda: 0.5
    assert [len(await changing.change()) for _ in range(3)] == [1, 1, 1]


async def test_a_change_is_announced_though_nobody_can_say_who_subscribes() -> None:
    changing = Changing()
    changing.live.is_down = True
    assert [len(await changing.change()) for _ in range(2)] == [1, 1]


async def test_the_job_is_that_of_the_key_and_wants_what_is_newer_than_the_change() -> None:
    changing = Changing()
    (sent,) = await changing.change()
    params = msgspec.Raw(b'{"board":"chess"}')
    job = Job(JobKind.LIVE, ACME, "leaderboard", params, "queued 1", newer_than_ms=changing.clock())
    assert (sent.delay_seconds, serialize_job(sent.job)) == (0, serialize_job(job))


async def test_the_job_of_a_principals_result_names_the_principal() -> None:
    changing = Changing()
    live = live_result()
    changing.live.by_tag[TAG] = [replace(live, key=dataclasses.replace(live.key, principal="a" * 32), principal="ada")]
    (sent,) = await changing.change()
    assert sent.job.principal == "ada"


async def test_a_key_found_by_several_tags_is_computed_once() -> None:
    changing = Changing()
    changing.live.by_tag["another"] = [live_result()]
    assert len(await changing.change(TAG, "another")) == 1


async def test_each_of_many_keys_has_a_job_with_a_token_of_its_own() -> None:
    changing = Changing()
    changing.live.by_tag[TAG] = [live_result(number) for number in range(25)]
    sent = await changing.change()
    assert len({each.job.token for each in sent}) == 25


async def test_without_debouncing_every_change_is_computed_at_once() -> None:
    changing = Changing()
    assert [each.delay_seconds for _ in range(3) for each in await changing.change()] == [0, 0, 0]


async def test_debounced_the_first_is_computed_at_once_and_all_others_by_one_delayed_job() -> None:
    changing = Changing(debounce_ms=1500)
    sent = []
    for _ in range(10):
        sent += await changing.change()
        changing.clock.advance(100)
    assert [each.delay_seconds for each in sent] == [0, 2]


async def test_after_a_quiet_moment_the_next_change_is_the_first_again() -> None:
    changing = Changing(debounce_ms=1500)
    await changing.change()
    changing.clock.advance(1500)
    assert [each.delay_seconds for each in await changing.change()] == [0]


@pytest.mark.parametrize("debounce_ms", [1, 250, 999, 1000, 1500])
async def test_no_change_is_covered_by_a_job_that_may_have_begun(debounce_ms: int) -> None:
    changing = Changing(debounce_ms=debounce_ms)
    due_ms: list[int] = []
    for _ in range(500):
        due_ms += [changing.clock() + 1000 * each.delay_seconds for each in await changing.change()]
        assert max(due_ms) >= changing.clock()
        changing.clock.advance(7)


def many_results(changing: Changing, count: int) -> None:
    """Have very many live results depend on the tag, and their jobs be delayed at random."""
    changing.live.by_tag[TAG] = [
        replace(live_result(number), params=msgspec.Raw(b"%d" % number)) for number in range(count)
    ]
    changing.live.watched = {each.key for each in changing.live.by_tag[TAG]}
    numbers = random.Random(7)
    changing.random = numbers.random


async def test_of_very_many_results_the_first_are_computed_at_once_and_the_others_over_some_seconds() -> None:
    changing = Changing()
    many_results(changing, 2000)
    delays = Counter(each.delay_seconds for each in await changing.change())
    assert delays[0] == AT_ONCE
    assert sorted(delays) == [0, 1, 2, 3, 4]
    assert max(count for delay, count in delays.items() if delay) < 2 * SPREAD_PER_SECOND


async def test_the_more_results_there_are_the_longer_they_take_but_never_more_than_a_minute() -> None:
    longest = []
    for count in (AT_ONCE, 1000, 5000, 31_000):
        changing = Changing()
        many_results(changing, count)
        longest.append(max(each.delay_seconds for each in await changing.change()))
    assert longest[0] == 0
    assert longest == sorted(longest)
    assert longest[-1] == 60


@pytest.mark.parametrize("debounce_ms", [0, 1500])
async def test_a_source_of_very_many_results_that_changes_all_the_time_sends_each_at_most_twice_before_the_first_is_due(
    debounce_ms: int,
) -> None:
    changing = Changing(debounce_ms)
    many_results(changing, 2000)
    sent = [len(await changing.change()) for _ in range(10) if not changing.clock.advance(50)]
    assert sent == [2000, AT_ONCE, *(8 * [0])]


@pytest.mark.parametrize("debounce_ms", [0, 1500])
async def test_the_last_change_of_very_many_results_is_computed_for_each_of_them(debounce_ms: int) -> None:
    changing = Changing(debounce_ms)
    many_results(changing, 1000)
    due_ms: dict[bytes, int] = {}
    for _ in range(30):
        changing.clock.advance(300)
        for each in await changing.change():
            due_ms[bytes(each.job.params)] = changing.clock() + 1000 * each.delay_seconds
    assert len(due_ms) == 1000
    assert min(due_ms.values()) >= changing.clock()


async def test_only_some_of_very_many_results_are_looked_after() -> None:
    changing = Changing()
    changing.live.by_tag[TAG] = [live_result(number) for number in range(1000)]
    changing.live.watched.clear()
    await changing.change()
    assert 0 < 1000 - len(changing.live.by_tag[TAG]) <= 50


async def test_a_change_that_could_not_be_sent_is_not_taken_for_one_that_was() -> None:
    changing = Changing(debounce_ms=1500)
    for _ in range(2):
        changing.jobs.is_down = True
        with pytest.raises(QueueUnavailableError):
            await changing.change()
        changing.jobs.is_down = False
        assert len(await changing.change()) == 1
