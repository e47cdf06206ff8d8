"""Sources change at any moment: no change is lost, whatever else happens.

A state machine over the fakes, in virtual time. Rows are inserted, altered, moved between partitions of an index and
removed; prices change, whose tags their authors name, and which are raised by hand. The shards of the stream tell the
rows in batches that may fail in part and come again, minutes later, and a shard that was split tells all before its
children do. A global index follows the table some time later, but within `SETTLE_MS` of the telling. Whatever works,
on changes as on jobs, stops before and after each call of Redis, of the table of subscriptions and of a source. Others
go on meanwhile; it may die there, or stand still until its lease has ended. Jobs are received in any order and twice.
Redis and SQS are away for a while, and Redis forgets everything. Checked:

- once all was told and done, no result is fresh that its sources would now contradict;
- then every subscriber has the value that the sources have now;
- no subscriber sees a source as it was before what it saw before;
- nobody sees the result of another tenant.

`make fuzz` runs it for longer.
"""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from push.cache.freshness import Freshness, judge
from push.cache.jobs import Job, JobKind
from push.computes import Tenant
from tests.fakes.invocations import FAR, Invocation
from tests.fakes.shards import Shard
from tests.operations import CountedMachine
from tests.worlds.shop import Queued, Shop, params_of
from tests.worlds.shop_computes import CUSTOMERS, DAYS, QUESTIONS, STATUSES, TENANTS
from tests.worlds.shop_subscribers import Subscribers, truth

pytestmark = pytest.mark.slow

VIEWS = ("OLD NEW", "OLD NEW", "NEW", "OLD", "KEYS")
STEPS = st.sampled_from((1, 2, 3, 4, 6, 9, FAR, FAR))
WRITES = {
    "customer": st.sampled_from((*CUSTOMERS, "ann")),
    "day": st.sampled_from((*DAYS, DAYS[0])),
    "status": st.sampled_from((*STATUSES, *STATUSES, None, "gone")),
}
SCOPES = st.sampled_from((*TENANTS, None))


class ChangingSources(CountedMachine):
    """Some questions to the shop, with subscribers who come and go."""

    @initialize(
        questions=st.sets(st.integers(0, len(QUESTIONS) - 1), min_size=1, max_size=4),
        debounce_ms=st.sampled_from((0, 0, 1000)),
        view=st.sampled_from(VIEWS),
        are_subscribed=st.booleans(),
    )
    def open(self, questions: set[int], debounce_ms: int, view: str, *, are_subscribed: bool) -> None:
        self.shop = Shop(debounce_ms)
        self.shop.view = view
        self.questions = [QUESTIONS[number] for number in sorted(questions)]
        self.subscribers = Subscribers(self.shop)
        for customer in CUSTOMERS:
            self.shop.write(customer, DAYS[0], "open")
        self.shop.come_to_rest()
        for number in range(len(self.questions) if are_subscribed else 0):
            self.subscribers.subscribe(self.questions[number])

    def question(self, number: int) -> tuple[str, str, Tenant]:
        return self.questions[number % len(self.questions)]

    # ---------------------------------------------------------------- sources change

    @rule(**WRITES)
    def write(self, customer: str, day: str, status: str | None) -> None:
        self.shop.write(customer, day, status)

    @rule(scope=SCOPES, name=st.sampled_from((*STATUSES, "none")), is_in_all=st.sampled_from((False, False, True)))
    def set_price(self, scope: Tenant | None, name: str, *, is_in_all: bool) -> None:
        self.shop.set_price(scope, name, is_in_all=is_in_all)

    @rule(stock_lag=st.integers(0, 2))
    def sell(self, stock_lag: int) -> None:
        self.shop.sell(stock_lag)

    @rule(shard=st.sampled_from(("one", "two")))
    def write_nonsense(self, shard: str) -> None:
        self.shop.write_nonsense(shard)

    # ---------------------------------------------------------------- changes are told

    def readable(self) -> list[Shard]:
        found = (each.readable for each in self.shop.shards.values())
        return [shard for shard in found if shard is not None and shard.invocation is None]

    @precondition(lambda self: self.readable())
    @rule(
        data=st.data(),
        steps=STEPS,
        is_repeated=st.sampled_from((False, False, True)),
        fail=st.sampled_from((0, 0, 0, 1)),
        random=st.sampled_from((0.5, 0.01, 0.99)),
    )
    def tell(self, data: st.DataObject, steps: int, fail: int, random: float, *, is_repeated: bool) -> None:
        shard = data.draw(st.sampled_from(self.readable()))
        self.shop.failing_functions, self.shop.random = fail, random
        size = data.draw(st.integers(1, len(shard.records)))
        self.step(self.shop.begin_batch(shard, size, is_repeated=is_repeated), steps)

    @precondition(lambda self: self.shop.messages)
    @rule(data=st.data(), steps=STEPS, is_repeated=st.sampled_from((False, False, True)))
    def tell_messages(self, data: st.DataObject, steps: int, *, is_repeated: bool) -> None:
        found = [each for each in self.shop.messages if not each.is_received]
        if found:
            first = data.draw(st.integers(0, len(found) - 1))
            self.step(self.shop.begin_messages(found[first : first + 2], is_repeated=is_repeated), steps)

    @rule(name=st.sampled_from(("one", "two")))
    def split_a_shard(self, name: str) -> None:
        self.shop.shards[name] = Shard(self.shop.shards[name])

    @rule()
    def follow(self) -> None:
        self.shop.orders.follow()

    # ---------------------------------------------------------------- results are made

    @rule(number=st.integers(0, 3), max_age=st.sampled_from((None, None, 0)))
    def ask(self, number: int, max_age: float | None) -> None:
        self.shop.ask(*self.question(number), max_age)
        self.subscribers.look()

    @precondition(lambda self: self.shop.due)
    @rule(
        data=st.data(),
        steps=STEPS,
        is_received_twice=st.sampled_from((False, False, True)),
        is_frozen=st.sampled_from((False, False, True)),
    )
    def work(self, data: st.DataObject, steps: int, *, is_received_twice: bool, is_frozen: bool) -> None:
        queued = data.draw(st.sampled_from(self.shop.due))
        self.step(self.shop.begin_job(queued, is_received_twice=is_received_twice, is_frozen=is_frozen), steps)

    @rule(
        number=st.integers(0, 3),
        steps=st.integers(1, 24),
        told=st.sampled_from((0, 1, 2, 3, 5, FAR, FAR)),
        **WRITES,
    )
    def write_during_a_compute(
        self, number: int, steps: int, told: int, customer: str, day: str, status: str | None
    ) -> None:
        """The write is told meanwhile, as far as it gets in so many steps."""
        worker = self.begin_to_compute(number, steps)
        self.shop.write(customer, day, status)
        tellers = [self.shop.begin_batch(shard, len(shard.records)) for shard in self.readable() if told]
        for each in tellers:
            self.step(each, told)
        for each in (worker, *tellers):
            self.end(each)

    @rule(number=st.integers(0, 3), steps=st.integers(1, 24), scope=SCOPES, name=st.sampled_from(STATUSES))
    def set_a_price_during_a_compute(self, number: int, steps: int, scope: Tenant | None, name: str) -> None:
        worker = self.begin_to_compute(number, steps)
        self.shop.set_price(scope, name, is_in_all=False)
        self.step(self.shop.begin_messages([self.shop.messages[-1]]), FAR)
        self.end(worker)

    @rule(number=st.integers(0, 3), steps=st.lists(st.integers(1, 16), min_size=2, max_size=5))
    def write_again_and_again_during_a_compute(self, number: int, steps: list[int]) -> None:
        """A source changes faster than the result is computed."""
        worker = self.begin_to_compute(number, 1)
        for more in steps:
            if worker is not None and not worker.is_over:
                self.step(worker, more)
            self.shop.write("ann", DAYS[0], "open")
            for shard in self.readable():
                self.step(self.shop.begin_batch(shard, len(shard.records)), FAR)
        self.end(worker)

    def begin_to_compute(self, number: int, steps: int) -> Invocation | None:
        """Begin to compute a question, for a job that waits, or else as after a change or a request."""
        question = compute, text, tenant = self.question(number)
        raw, now_ms = params_of(text), self.shop.clock()
        waiting = [each for each in self.shop.due if (each.job.compute, bytes(each.job.params)) == (compute, raw)]
        if not waiting and self.subscribers.of(question):
            token = self.shop.world.tokens()
            job = Job(JobKind.LIVE, tenant, compute, msgspec.Raw(raw), token, newer_than_ms=now_ms)
            waiting = [Queued(job, now_ms)]
            self.shop.queue += waiting
        elif not waiting:
            self.shop.ask(compute, text, tenant, 0)
            waiting = self.shop.due[-1:]
        if not waiting:
            return None
        worker = self.shop.begin_job(waiting[0])
        self.step(worker, steps)
        return worker

    def end(self, invocation: Invocation | None) -> None:
        if invocation is not None and not invocation.is_over:
            self.step(invocation, FAR)

    # ---------------------------------------------------------------- whatever is stopped goes on or dies

    @precondition(lambda self: self.shop.invocations)
    @rule(data=st.data(), steps=STEPS)
    def go_on(self, data: st.DataObject, steps: int) -> None:
        self.step(data.draw(st.sampled_from(self.shop.invocations)), steps)

    @precondition(lambda self: self.shop.invocations)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        self.shop.kill(data.draw(st.sampled_from(self.shop.invocations)))

    def step(self, invocation: Invocation, steps: int) -> None:
        self.shop.step(invocation, steps)
        self.subscribers.look()

    # ---------------------------------------------------------------- time passes, and services fail

    @rule(seconds=st.sampled_from((0.001, 0.06, 0.4, 1.001, 3.001, 4.5, 11.0, 61.0, 600.0)))
    def wait(self, seconds: float) -> None:
        self.shop.run(asyncio.sleep(seconds))

    @rule(what=st.sampled_from(("lose Redis", "find Redis", "find Redis", "lose SQS", "find SQS", "find SQS")))
    def have_trouble(self, what: str) -> None:
        does_lose = what.startswith("lose")
        if what.endswith("Redis"):
            self.shop.lose_redis(is_lost=does_lose)
        else:
            self.shop.world.jobs.is_down = does_lose

    @rule(is_meant=st.sampled_from((False, False, True)))
    def flush(self, *, is_meant: bool) -> None:
        if is_meant:
            self.subscribers.prepare_for_flush()
            self.shop.flush()

    # ---------------------------------------------------------------- subscribers

    @rule(number=st.integers(0, 3))
    def subscribe(self, number: int) -> None:
        self.subscribers.subscribe(self.question(number))

    @precondition(lambda self: self.subscribers.by_connection)
    @rule(data=st.data())
    def unsubscribe(self, data: st.DataObject) -> None:
        self.subscribers.unsubscribe(data.draw(st.sampled_from(sorted(self.subscribers.by_connection))))

    # ---------------------------------------------------------------- in the end

    @rule()
    def settle(self) -> None:
        """Have everything told and done, and look."""
        self.shop.come_to_rest()
        self.subscribers.look()
        self.subscribers.end_old_connections()
        for question in self.questions:
            if question[0] == "stock" and self.shop.has_lagged:
                continue
            expected = self.shop.run(truth(self.shop, question))
            stored = self.shop.world.model.entry(self.shop.key_of(*question)).result
            if stored is not None and judge(stored, self.shop.clock()) is Freshness.FRESH:
                assert stored.data == expected, f"a fresh result of {question}"
            for each in self.subscribers.of(question):
                assert each.may_be_forgotten or each.value == expected, f"a subscriber of {question}"

    def teardown(self) -> None:
        if hasattr(self, "shop"):
            try:
                self.settle()
            finally:
                self.shop.close()


@pytest.fixture(autouse=True)
def many_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that was given up would leave subscribers behind, as it says in the log; here none is."""
    monkeypatch.setattr("compute.key_work.MAX_ATTEMPTS", 1_000_000)


TestChangingSources = ChangingSources.TestCase
