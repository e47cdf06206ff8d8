"""Durable requests put together on fakes: what accepts them, what asks for them, and what settles them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec

from push.access.tokens import Identity
from push.computes import Tenant
from push.durable.recording import Recorder
from push.durable.requests import QueuedRequest, RequestRecord, serialize_message
from request.durable.queued_requests import Message, QueuedRequests
from request.durable.requests import Acceptance, DurableRequests
from tests.fakes.clock import Clock
from tests.fakes.durable import FakeRequestQueue, FakeRequestRecords, FakeWebhookQueue
from tests.fakes.queues import FakeCounter
from tests.worlds.functions import World

ACME = Identity(Tenant("acme"), "ada")
GLOBEX = Identity(Tenant("globex"), "ada")
ACME_BOB = Identity(Tenant("acme"), "bob")
HOOK = {"webhook": "https://receiver.example/hook"}
POLL = {"poll": True}


class RequestWorld:
    """The whole way of durable requests, but for their delivery, around one `World`."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.counter = FakeCounter()
        self.records = FakeRequestRecords()
        self.webhooks = FakeWebhookQueue()
        self.queue = FakeRequestQueue()
        self.stored: dict[str, bytes] = {}
        self.slept: list[float] = []
        self.recorder = Recorder(
            records=self.records,
            queue=self.webhooks,
            store_payload=self._store,
            counter=self.counter,
            now_ms=self.clock,
        )
        self.world = World(clock=self.clock, recorder=self.recorder)
        self.queued = QueuedRequests(
            client_requests=self.world.client_requests,
            records=self.records,
            recorder=self.recorder,
            queue=self.queue,
            webhooks=self.webhooks,
            now_ms=self.clock,
        )
        numbers = itertools.count(1)
        self.requests = DurableRequests(
            registry=self.world.registry,
            records=self.records,
            queue=self.queue,
            check_deliver=lambda _tenant, _deliver: None,
            now_ms=self.clock,
            new_id=lambda: f"made-{next(numbers)}",
            sleep=self._sleep,
        )

    async def _store(self, name: str, data: bytes) -> None:
        self.stored[name] = data

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(max(1, int(seconds * 1000)))

    def post(self, *, identity: Identity = ACME, key: str = "", **document: object) -> Acceptance:
        """Send a request for `echo` that is polled, unless told otherwise."""
        document = {"compute": "echo", "deliver": POLL, **document}
        return self.requests.accept(msgspec.json.encode(document), key, identity)

    async def look(self, *requests: QueuedRequest) -> list[QueuedRequest]:
        """Have requests received in one batch, and return those whose messages come back."""
        return await self.look_at([serialize_message(each) for each in requests], requests)

    async def look_at(self, bodies: Sequence[str], requests: Sequence[QueuedRequest] = ()) -> list[QueuedRequest]:
        messages = [Message(str(index), body) for index, body in enumerate(bodies)]
        failed = await self.queued.consume(messages)
        return [requests[int(each)] for each in failed] if requests else failed

    async def look_at_sent(self) -> None:
        """Have all that is in the queue received now, whatever its delay."""
        assert await self.look(*(request for request, _ in self.queue.take())) == []

    async def settle(self) -> None:
        """Let everything happen that has to for what is in the queue to be settled, if nothing goes wrong."""
        await self.look_at_sent()
        await self.world.consume_sent()

    def record(self, request_id: str, identity: Identity = ACME) -> RequestRecord:
        record = self.records.read(identity.tenant, identity.principal, request_id)
        assert record is not None
        return record

    def answer(self, request_id: str, identity: Identity = ACME) -> dict:
        return msgspec.json.decode(self.record(request_id, identity).answer or b"null")
