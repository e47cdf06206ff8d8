"""The functions that carry a request, as Lambda runs them, with what is around them; queues are polled by tests."""

from __future__ import annotations

import asyncio
import copy
import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest

import compute.app
import notify.deliveries_app
import notify.fan_out_app
import request.http_app
import request.queue_app
import request.socket_app
from push.adapters.aws.clients import make_client
from push.adapters.management.frame_series import ManagementSeries
from push.adapters.redis.connection import AsyncRedis, SyncRedis, lease_name, shared_async_redis, waiters_name
from push.adapters.wiring import event_loop
from push.cache.jobs import Job, parse_job, serialize_job
from push.computes import Tenant
from push.keys import Key, make_key
from push.settings import CacheSettings
from tests.integration.requests import scripted_computes
from tests.servers import queues
from tests.servers.aws import Aws
from tests.servers.management import ManagementServer

EVENTS = Path(__file__).parents[2] / "events"
FUNCTIONS: tuple[Any, ...] = (
    request.socket_app,
    request.queue_app,
    compute.app,
    notify.deliveries_app,
    notify.fan_out_app,
)
TOKEN_SECRET = "s" * 64
WEBHOOK_SECRET = "w" * 64
COMPUTES = "tests.integration.requests.scripted_computes"


def read_event(name: str) -> dict[str, Any]:
    return copy.deepcopy(json.loads((EVENTS / f"{name}.json").read_text()))


class Environments:
    """The execution environments of all functions: one loop, and the clients that belong to it."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._opened: list[Any] = []
        for kind in (AsyncRedis, ManagementSeries):
            patch.setattr(kind, "__init__", self._remembering(kind.__init__))

    def _remembering(self, initialize: Callable[..., None]) -> Callable[..., None]:
        def remember(client: Any, *arguments: Any, **options: Any) -> None:
            initialize(client, *arguments, **options)
            self._opened.append(client)

        return remember

    def begin(self) -> None:
        """Begin anew: what the old ones keep is closed and forgotten."""
        self.end()
        for function in (*FUNCTIONS, request.http_app):
            function.build.cache_clear()
        for cached in (make_client, shared_async_redis):
            cached.cache_clear()

    def end(self) -> None:
        for function in FUNCTIONS:
            if function.build.cache_info().currsize and (timer := function.build().metrics._timer):
                timer.cancel()
        event_loop.run(self._close())
        event_loop._loop().close()
        event_loop._loop.cache_clear()

    async def _close(self) -> None:
        while self._opened:
            closing = self._opened.pop().close()
            if closing is not None:
                await closing
        await asyncio.sleep(0)
        await asyncio.get_running_loop().shutdown_default_executor()


@dataclass(frozen=True)
class HttpAnswer:
    """What the HTTP API answered."""

    status: int
    headers: dict[str, str]
    document: dict[str, Any]


def make_token(tenant: str, **claims: Any) -> str:
    """Return a token as the issuer of tokens would, of the principal ada unless a claim says otherwise."""
    all_claims = {"sub": "ada", "tenant": tenant, "exp": time.time() + 60, **claims}
    return jwt.encode(all_claims, TOKEN_SECRET, algorithm="HS256")


@dataclass
class Stack:
    """What is deployed; queues are polled by tests."""

    aws: Aws
    management: ManagementServer
    environments: Environments
    patch: pytest.MonkeyPatch
    redis_url: str
    queues: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.sqs = self.aws.client("sqs")
        for name in ("compute", "dead", "delivery", "request", "webhook", "fan-out"):
            self.queues[name] = self.sqs.create_queue(QueueName=f"{name}-{uuid.uuid4().hex[:12]}")["QueueUrl"]

    def configure(self, **variables: str) -> None:
        """Set variables of the functions' environments, which then begin anew."""
        for name, value in variables.items():
            self.patch.setenv(name, value)
        self.environments.begin()

    def make_secret(self, text: str) -> str:
        """Return the ARN of a new secret."""
        client = self.aws.client("secretsmanager")
        arn: str = client.create_secret(Name=f"secret-{uuid.uuid4().hex}", SecretString=text)["ARN"]
        return arn

    # ------------------------------------------------------------ clients

    def send(self, message: object, connection_id: str = "ann=", tenant: str = "acme", **claims: Any) -> dict[str, Any]:
        """Send a client's message, and return the frame that answers it; `sub` among the claims is its principal."""
        event = read_event("websocket_message")
        event["requestContext"]["connectionId"] = connection_id
        authorizer = event["requestContext"]["authorizer"]
        authorizer["tenant"] = tenant
        if claims:
            authorizer |= {"principal": claims.get("sub", authorizer["principal"]), "claims": json.dumps(claims)}
        event["body"] = message if isinstance(message, str) else json.dumps(message)
        answer = request.socket_app.handler(event, None)
        assert answer["statusCode"] == 200
        return json.loads(answer["body"])

    def ask(
        self,
        request_id: str = "1",
        *,
        connection_id: str = "ann=",
        tenant: str = "acme",
        compute: str = "scripted",
        params: dict[str, Any] | None = None,
        claims: dict[str, Any] | None = None,
        **members: object,
    ) -> dict[str, Any]:
        message = {"action": "request", "id": request_id, "compute": compute, "params": params or {}, **members}
        return self.send(message, connection_id, tenant, **claims or {})

    def call(
        self,
        route: str,
        document: object = None,
        *,
        path: str | None = None,
        tenant: str = "acme",
        claims: dict[str, Any] | None = None,
        **changes: Any,
    ) -> HttpAnswer:
        """Call the HTTP API, as a principal of a tenant; `sub` among the claims is another principal."""
        event = {**read_event("http_requests"), "routeKey": route, "body": None, **changes}
        token = make_token(tenant, **claims or {})
        event["headers"] |= {"authorization": f"Bearer {token}", **changes.get("headers", {})}
        if document is not None:
            event["body"] = document if isinstance(document, str) else json.dumps(document)
        if path is not None:
            event["pathParameters"] = {"id": path}
        answer = request.http_app.handler(event, None)
        return HttpAnswer(answer["statusCode"], answer["headers"], json.loads(answer["body"]))

    def pushed(self, connection_id: str = "ann=") -> list[dict[str, Any]]:
        return self.management.received(connection_id)

    # ------------------------------------------------------------ queues

    def receive(self, queue: str = "compute") -> list[dict[str, Any]]:
        """Receive what can be seen now, as the records of Lambda's event."""
        return queues.receive(self.sqs, self.queues[queue])

    def wait_for(self, queue: str, seconds: float = 5.0) -> list[dict[str, Any]]:
        """Receive messages that are yet hidden or delayed."""
        return queues.wait_for(self.sqs, self.queues[queue], seconds)

    def compute(self, records: Sequence[dict[str, Any]] | None = None) -> list[str]:
        """Have a batch of jobs worked on, and return the ids of those that come back."""
        return self._invoke(compute.app.handler, "compute", self.receive() if records is None else records)

    def notify(self, records: Sequence[dict[str, Any]]) -> list[str]:
        """Have a batch of deliveries or of dead letters seen to, and return the ids of those that come back."""
        return self._invoke(notify.deliveries_app.handler, "delivery", records)

    def fan_out(self, records: Sequence[dict[str, Any]] | None = None) -> list[str]:
        """Have what is new in topics pushed, and return the ids of the messages that come back."""
        given = self.receive("fan-out") if records is None else records
        return self._invoke(notify.fan_out_app.handler, "fan-out", given)

    def look(self, records: Sequence[dict[str, Any]] | None = None) -> list[str]:
        """Have durable requests looked at, and return the ids of the messages that come back."""
        return self._invoke(
            request.queue_app.handler, "request", self.receive("request") if records is None else records
        )

    def _invoke(self, handler: Any, queue: str, records: Sequence[dict[str, Any]]) -> list[str]:
        assert records, "There is nothing in the queue."
        failures = handler({"Records": list(records)}, None)["batchItemFailures"]
        failed = [each["itemIdentifier"] for each in failures]
        for record in records:
            if record["messageId"] not in failed and not record["receiptHandle"].startswith("none"):
                self.sqs.delete_message(QueueUrl=self.queues[queue], ReceiptHandle=record["receiptHandle"])
        return failed

    def record_of(self, job: Job | str, queue: str = "compute") -> dict[str, Any]:
        """Return a message as if it had just been received."""
        body = job if isinstance(job, str) else serialize_job(job)
        attributes = {"ApproximateReceiveCount": "1"}
        identity = str(uuid.uuid4())
        message = {"MessageId": identity, "ReceiptHandle": f"none {identity}", "Body": body, "Attributes": attributes}
        return queues.make_record(self.queues[queue], message)

    # ------------------------------------------------------------ Redis

    @property
    def redis(self) -> SyncRedis:
        return SyncRedis(CacheSettings(cache_url=self.redis_url, cache_timeout_ms=2000))

    def end_lease(self, job: Job) -> None:
        """Have a lease end, as its term would."""
        self.redis.run("DEL", lease_name(key_of(job)))

    def take_lease(self, job: Job) -> None:
        """Claim a key as a worker does that then dies."""
        self.redis.run("SET", lease_name(key_of(job)), "working dead", "PX", 4000)

    def waiting(self, job: Job) -> int:
        return int(self.redis.run("ZCARD", waiters_name(key_of(job))))


def key_of(job: Job) -> Key:
    declared = getattr(scripted_computes, job.compute)
    return make_key(Tenant(job.tenant), declared, declared.parse_params(job.params))


def job_of(record: dict[str, Any]) -> Job:
    return parse_job(record["body"])
