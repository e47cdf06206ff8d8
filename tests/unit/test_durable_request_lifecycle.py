"""What becomes of durable requests whatever happens: a state machine drives all who deal with them over fakes.

Requests are sent once, twice, under ids that are taken; messages are received twice, out of order, or by who dies of
it; Redis forgets or is away, and so are the records and every queue; time passes. Checked:

- no request is settled twice, and no record is of a request that nobody sent;
- in the end every request that was accepted is settled (I4), and where it is to be delivered that was begun.
"""

from __future__ import annotations

import contextlib

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from push.cache.jobs import Outgoing
from push.durable.requests import Deliver, RequestStatus, request_name
from push.errors import RequestError, TransientError
from request.durable.requests import id_of_key
from tests.fakes.virtual_time import VirtualTimeLoop
from tests.operations import CountedMachine
from tests.worlds.durable import ACME, ACME_BOB, GLOBEX, HOOK, POLL, RequestWorld

DRAIN_ROUNDS = 200
ROUND_MS = 15_000


class DurableRequestLifecycle(CountedMachine):
    """Each rule is something that happens; nothing is awaited that does not end at once."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.world = RequestWorld()
        self.sent: set[str] = set()
        self.accepted: dict[str, tuple[str, Deliver]] = {}

    # ------------------------------------------------------------ what callers do

    @rule(
        identity=st.sampled_from((ACME, ACME, ACME_BOB, GLOBEX)),
        request_id=st.sampled_from(("a", "a", "b")),
        has_key=st.booleans(),
        text=st.sampled_from(("", "other", "\uffff")),
        deliver=st.sampled_from((HOOK, POLL)),
        max_age=st.sampled_from((None, 0)),
        deadline_ms=st.sampled_from((5000, 900_000)),
    )
    def post(self, identity, request_id, has_key, text, deliver, max_age, deadline_ms) -> None:
        own_id = id_of_key(request_id) if has_key else request_id
        name = request_name(identity.tenant, identity.principal, own_id)
        document = {"compute": "echo", "params": {"text": text}, "deliver": deliver, "deadline_ms": deadline_ms}
        if not has_key:
            document["id"] = request_id
        if max_age is not None:
            document["max_age"] = max_age
        key = request_id if has_key else ""
        self.sent.add(name)
        # Refused, it may be another's id; not taken, it may be sent again.
        with contextlib.suppress(RequestError, TransientError):
            self.world.requests.accept(msgspec.json.encode(document), key, identity)
            self.accepted[name] = text, msgspec.convert(deliver, Deliver)

    # ------------------------------------------------------------ what functions do

    @precondition(lambda self: self.world.queue.sent)
    @rule(data=st.data(), dies=st.booleans())
    def look(self, data, dies) -> None:
        """Receive some messages; of who dies they come back."""
        queue = self.world.queue
        count = data.draw(st.integers(1, min(10, len(queue.sent))))
        order = data.draw(st.permutations(range(len(queue.sent))))
        batch = [queue.sent[index] for index in order[:count]]
        failed = set(self.run(self.world.look_at([body for body, _ in batch])))
        if not dies:
            for index, message in enumerate(batch):
                if str(index) not in failed:
                    queue.sent.remove(message)

    @precondition(lambda self: self.world.world.jobs.sent)
    @rule(dies=st.booleans())
    def compute(self, dies) -> None:
        """Work on all jobs, guardians too; of who dies they come back."""
        jobs = self.world.world.jobs
        batch, jobs.sent = jobs.sent, []
        again = self.run(self.world.world.consume(*(outgoing.job for outgoing in batch)))
        jobs.sent += batch if dies else [Outgoing(job) for job in again]

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    # ------------------------------------------------------------ what goes wrong

    @rule(part=st.sampled_from(("records", "queue", "webhooks", "jobs", "redis")))
    def lose_or_find(self, part) -> None:
        world = self.world
        subject = {
            "records": world.records,
            "queue": world.queue,
            "webhooks": world.webhooks,
            "jobs": world.world.jobs,
            "redis": world.world.model,
        }[part]
        subject.is_down = not subject.is_down

    @rule(calls=st.integers(0, 3))
    def have_a_call_of_the_records_fail(self, calls) -> None:
        self.world.records.calls_to_failure = calls

    @rule()
    def flush_redis(self) -> None:
        self.world.world.model.flush()

    @rule(seconds=st.sampled_from((1, 15, 400)))
    def wait(self, seconds) -> None:
        self.world.clock.advance(seconds * 1000)

    # ------------------------------------------------------------ what must hold

    @invariant()
    def nothing_is_settled_twice_and_nothing_is_made_up(self) -> None:
        assert all(count == 1 for count in self.world.records.settled.values())
        assert self.world.records.records.keys() <= self.sent

    def teardown(self) -> None:
        with contextlib.closing(self.loop):
            self._repair()
            for _ in range(DRAIN_ROUNDS):
                if not self.world.queue.sent:
                    break
                self.run(self.world.look_at_sent())
                batch, self.world.world.jobs.sent = self.world.world.jobs.sent, []
                self.run(self.world.world.consume(*(outgoing.job for outgoing in batch)))
                self.world.clock.advance(ROUND_MS)
            self._check_the_end()

    def _repair(self) -> None:
        world = self.world
        world.records.calls_to_failure = None
        for each in (world.records, world.queue, world.webhooks, world.world.jobs, world.world.model):
            each.is_down = False

    def _check_the_end(self) -> None:
        assert self.world.queue.sent == []
        self.nothing_is_settled_twice_and_nothing_is_made_up()
        begun = {job.name for job in self.world.webhooks.sent}
        for name, (text, deliver) in self.accepted.items():
            record = self.world.records.records[name]
            answer = msgspec.json.decode(record.answer)
            assert record.status is not RequestStatus.PENDING
            assert record.deliver == deliver
            assert deliver.poll or name in begun
            assert answer["id"] == record.id
            if record.status is RequestStatus.DONE:
                assert answer["data"] == {"tenant": record.tenant, "text": text, "number": 0}


TestDurableRequestLifecycle = DurableRequestLifecycle.TestCase
TestDurableRequestLifecycle.settings = settings(
    max_examples=2 * settings.default.max_examples,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
