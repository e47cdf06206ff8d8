"""The functions' orchestration put together on fakes: one environment of each function around one model of Redis."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from compute.computing import Computing
from compute.consumer import Consumer, Message
from compute.subscriber_updates import SubscriberUpdates
from compute.wiring import make_worker
from notify.dead_letters import DeadLetters
from push.cache.jobs import Job, Outgoing, serialize_job
from push.cache.memory import MemoryCache
from push.callers import Caller
from push.computes import AnyCompute, Registry, Tenant
from push.delivery.delivering import Deliverer
from push.delivery.ports import AnswerRecorder
from push.delivery.waiter_answers import WaiterAnswers
from push.delivery.waiter_frames import WaiterFrames
from push.errors import PushasideError
from push.protocol.messages import Request
from push.queues.redelivery import Redelivery
from push.settings import ComputeSettings
from push.sources.contexts import NoSources
from push.sources.ports import Sources
from push.topics.ports import LiveLinks
from request.asking.client_encodings import ClientEncodings
from request.asking.client_requests import ClientRequests
from request.asking.engine import Engine
from request.asking.socket_replies import SocketReplies
from tests.builders.results import echo, shared
from tests.fakes.cache import CacheModel, FakeJobs, FakeLeases, FakeResults, FakeTags
from tests.fakes.clock import Clock, Tokens
from tests.fakes.delivery import (
    FakeConnectionEncodings,
    FakeConnections,
    FakeDeliveries,
    FakeDeliverySender,
    FakeEncodings,
    FakePayloads,
    FakeRecorder,
    FakeRecords,
)
from tests.fakes.live_results import FakeFanOutJobSender, FakeLinkMarks, FakeLiveHistories, FakeLiveLinks
from tests.fakes.queues import FakeCounter, FakeRedelivery
from tests.fakes.topics import TopicModel

SETTINGS = ComputeSettings(
    cache_url="redis://unused",
    compute_queue_url="unused",
    fan_out_queue_url="unused",
    subscriptions_table="unused",
    delivery_queue_url="unused",
    connections_table="unused",
    requests_table="unused",
    webhook_queue_url="unused",
    storage_bucket="unused",
    aws_endpoint_url_apigatewaymanagementapi="unused",
)

_receipts = itertools.count(1)


def middle() -> float:
    """Return what `random.random` would at the middle of its range."""
    return 0.5


@dataclass
class World:
    """Everything, with its parts in reach of tests."""

    computes: Iterable[AnyCompute] = (echo, shared)
    clock: Clock = field(default_factory=Clock)
    trust_ms: int = 1000
    recorder: AnswerRecorder = field(default_factory=FakeRecorder)
    sources: Sources = field(default_factory=NoSources)
    links: LiveLinks = field(default_factory=FakeLiveLinks)

    def __post_init__(self) -> None:
        self.registry = Registry(self.computes)
        self.model = CacheModel(self.clock)
        self.results = FakeResults(self.model)
        self.leases = FakeLeases(self.model)
        self.jobs = FakeJobs()
        self.connections = FakeConnections()
        self.records = FakeRecords()
        self.deliveries = FakeDeliveries()
        self.redelivery = FakeRedelivery()
        self.counter = FakeCounter()
        self.tokens = Tokens()
        self.payloads = FakePayloads()
        self.encodings = FakeEncodings(self.model)
        self.connection_encodings = FakeConnectionEncodings(self.model)
        self.client_encodings = self.new_client_encodings()
        self.client_requests = self.new_client_requests()
        self.deliverer = Deliverer(
            connections=self.connections,
            records=self.records,
            queue=self.deliveries,
            counter=self.counter,
            now_ms=self.clock,
            random=middle,
        )
        self.answers = WaiterAnswers(
            leases=self.leases,
            frames=WaiterFrames(encodings=self.connection_encodings, payloads=self.payloads),
            deliverer=self.deliverer,
            recorder=self.recorder,
            now_ms=self.clock,
        )
        self.computing = Computing(
            settings=SETTINGS,
            sources=self.sources,
            payloads=self.payloads,
            counter=self.counter,
            now_ms=self.clock,
            clock_us=lambda: self.clock.now_ms * 1000,
            random=middle,
        )
        self.topics = TopicModel(self.clock)
        self.fan_out = FakeFanOutJobSender()
        self.histories = FakeLiveHistories(self.model, self.topics)
        self.live = SubscriberUpdates(
            leases=self.leases, histories=self.histories, payloads=self.payloads, fan_out=self.fan_out
        )
        self.tags = FakeTags(self.model)
        self.marks = FakeLinkMarks(self.model)
        self.worker = make_worker(
            computing=self.computing,
            leases=self.leases,
            tags=self.tags,
            answers=self.answers,
            updates=self.live,
            links=self.links,
            marks=self.marks,
            jobs=self.jobs,
            counter=self.counter,
            now_ms=self.clock,
        )
        self.consumer = Consumer(
            registry=self.registry,
            worker=self.worker,
            redelivery=Redelivery(self.redelivery, middle),
            jobs=self.jobs,
        )
        self.dead_letters = DeadLetters(
            registry=self.registry,
            leases=self.leases,
            answers=self.answers,
            counter=self.counter,
            now_ms=self.clock,
        )

    def new_client_encodings(self) -> ClientEncodings:
        """Return what another execution environment knows of its clients: nothing."""
        return ClientEncodings(self.encodings, self.clock)

    def new_socket_replies(self, client_requests: ClientRequests | None = None) -> SocketReplies:
        """Return what replies with the answers of one execution environment."""
        return SocketReplies(
            client_requests=client_requests or self.client_requests,
            client_encodings=self.client_encodings,
            payloads=self.payloads,
            deliveries=FakeDeliverySender(self.deliveries),
        )

    def new_client_requests(self) -> ClientRequests:
        """Return what answers requests in another execution environment, with an empty memory."""
        return ClientRequests(self.new_engine(), self.clock)

    def new_engine(self, *, trust_ms: int | None = None, max_bytes: int = 1024 * 1024) -> Engine:
        """Return another execution environment's engine, with an empty memory."""
        return Engine(
            registry=self.registry,
            store=self.results,
            memory=MemoryCache(max_bytes=max_bytes),
            jobs=self.jobs,
            counter=self.counter,
            now_ms=self.clock,
            new_token=self.tokens,
            random=middle,
            trust_ms=self.trust_ms if trust_ms is None else trust_ms,
        )

    def ask(
        self,
        request_id: str = "1",
        *,
        connection_id: str = "ann=",
        tenant: str = "acme",
        compute: str = "echo",
        params: bytes = b"{}",
        max_age: float | None = None,
        deadline_ms: int = 30_000,
        accept: tuple[str, ...] | None = None,
        client_requests: ClientRequests | None = None,
    ) -> dict:
        """Ask as a client does, and return the frame that answers at once."""
        caller = Caller(Tenant(tenant), "somebody", connection_id)
        request = Request(request_id, compute, msgspec.Raw(params), max_age, deadline_ms, accept)
        return msgspec.json.decode(self.new_socket_replies(client_requests).reply(request, caller))

    def refusal(self, **request: object) -> PushasideError:
        """Ask what is to be refused."""
        try:
            answer = self.ask(**request)
        except PushasideError as exc:
            return exc
        raise AssertionError(f"This should have been refused: {answer}")

    async def consume(self, *jobs: Job, receive_count: int = 1) -> list[Job]:
        """Have jobs received in one batch, and return those that come back."""
        messages = [received(job, receive_count) for job in jobs]
        failed = set(await self.consumer.consume(messages))
        return [job for job, message in zip(jobs, messages, strict=True) if message.message_id in failed]

    async def consume_sent(self) -> list[Job]:
        """Have what was sent without a delay received, in one batch; return what comes back."""
        now = [outgoing.job for outgoing in self.jobs.sent if not outgoing.delay_seconds]
        self.jobs.sent = [outgoing for outgoing in self.jobs.sent if outgoing.delay_seconds]
        return await self.consume(*now)

    @property
    def guardians(self) -> list[Outgoing]:
        """What was sent with a delay."""
        return [outgoing for outgoing in self.jobs.sent if outgoing.delay_seconds]

    def pushed(self, connection_id: str = "ann=") -> list[dict]:
        """Return what was pushed to a connection."""
        return [msgspec.json.decode(frame) for frame in self.connections.frames_of(connection_id)]


def reply_with(client_requests: ClientRequests, now_ms: Callable[[], int]) -> SocketReplies:
    """Return what replies with the answers of one execution environment where nothing else of it matters."""
    model = CacheModel(now_ms)
    return SocketReplies(
        client_requests=client_requests,
        client_encodings=ClientEncodings(FakeEncodings(model), now_ms),
        payloads=FakePayloads(),
        deliveries=FakeDeliverySender(FakeDeliveries()),
    )


def received(job: Job | str, receive_count: int = 1) -> Message:
    """Return a job as it is received."""
    number = next(_receipts)
    body = job if isinstance(job, str) else serialize_job(job)
    return Message(f"message {number}", f"receipt {number}", body, receive_count)


def results_of(frames: Sequence[dict]) -> list[object]:
    """Return the data of those frames that are results."""
    return [frame["data"] for frame in frames if frame["type"] == "result"]
