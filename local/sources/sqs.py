"""The poller of an SQS queue, which invokes the mapped function."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import orjson

from local.deploying.aws_json_client import AwsCallError, AwsJsonClient
from local.deploying.control_plane import EventSource
from local.functions.invocation import FunctionService, Invocation, Outcome
from local.sources.batch_turns import BatchTurns
from local.sources.filters import EventFilters
from local.sources.sqs_events import Message, failed_messages, make_record

RECEIVE_MAXIMUM = 10
"""The most messages of one ReceiveMessage or DeleteMessageBatch call."""

_LONG_POLL_SECONDS = 20
_LOOK_SECONDS = 1.0
"""The interval of polling an idle queue without an announcement.

It finds messages that became visible by themselves or that another service sent.
"""

_TROUBLE_SECONDS = 1.0
_THROTTLE_SECONDS = 0.1


class SqsEventSource:
    """One mapping of a queue to a function.

    As in Lambda, up to `MaximumConcurrency` batches run at once, few at first (`batch_turns`). The poller deletes a
    message if its batch succeeded, or its item in a partial batch response. Otherwise SQS redelivers the message after
    its visibility timeout. Order is not kept.
    """

    def __init__(
        self,
        source: EventSource,
        queue_url: str,
        client: AwsJsonClient,
        functions: FunctionService,
        *,
        turns: BatchTurns,
        is_announced: bool,
    ) -> None:
        self._source = source
        self._queue_url = queue_url
        self._client = client
        self._functions = functions
        self._filters = EventFilters(source.filters)
        self._turns = turns
        self._changed = asyncio.Event()
        self._is_announced = is_announced
        self._tasks: set[asyncio.Task[None]] = set()

    def note_change(self) -> None:
        """Poll the queue now, because a message was sent or became visible."""
        self._changed.set()

    async def run(self) -> None:
        """Poll until cancelled."""
        while True:
            await self._turns.take()
            try:
                messages = await self._collect()
            except (OSError, EOFError, AwsCallError):
                # The embedded AWS is shutting down, or the queue is gone; the runtime reports it elsewhere.
                self._turns.give_back()
                await asyncio.sleep(_TROUBLE_SECONDS)
                continue
            except BaseException:
                self._turns.give_back()
                raise
            if messages:
                self._begin(messages)
            else:
                self._turns.give_back()
                self._turns.rest()
                await self._pause()

    async def _pause(self) -> None:
        """Wait for a change. Without announcements, the long poll has waited already."""
        if self._is_announced:
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                return

    async def _collect(self) -> list[Message]:
        """Receive one batch: the messages that are there, or arrive within the batching window."""
        messages = await self._receive(self._source.batch_size)
        deadline = time.monotonic() + self._source.window_seconds
        while messages and len(messages) < self._source.batch_size and time.monotonic() < deadline:
            more = await self._receive(self._source.batch_size - len(messages))
            messages += more
            if not more:
                await self._wait_for_change(deadline - time.monotonic())
        return messages

    async def _wait_for_change(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(min(max(seconds, 0), _LOOK_SECONDS)):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _receive(self, maximum: int) -> list[Message]:
        self._changed.clear()
        answer = await self._client.call(
            "sqs",
            "ReceiveMessage",
            {
                "QueueUrl": self._queue_url,
                "MaxNumberOfMessages": min(maximum, RECEIVE_MAXIMUM),
                "WaitTimeSeconds": 0 if self._is_announced else _LONG_POLL_SECONDS,
                "AttributeNames": ["All"],
                "MessageAttributeNames": ["All"],
            },
        )
        messages: list[Message] = answer.get("Messages", [])
        return messages

    def _begin(self, messages: list[Message]) -> None:
        task = asyncio.create_task(self._process(messages))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _process(self, messages: list[Message]) -> None:
        try:
            records = [(message, make_record(message, self._source.source_arn)) for message in messages]
            wanted = [(message, record) for message, record in records if self._filters.match(record)]
            unwanted = [message for message, record in records if not self._filters.match(record)]
            await self._delete(unwanted)
            if wanted:
                invocation = await self._invoke([record for _, record in wanted])
                failed = failed_messages(
                    invocation,
                    {record["messageId"] for _, record in wanted},
                    report_item_failures=self._source.report_item_failures,
                )
                await self._delete([message for message, _ in wanted if message["MessageId"] not in failed])
        except (OSError, EOFError, AwsCallError):
            return  # not deleted, so SQS redelivers them
        finally:
            self._turns.give_back()

    async def _invoke(self, records: list[dict[str, Any]]) -> Invocation:
        """Run the function on a batch; while it is throttled, back off and retry, as Lambda's pollers do."""
        event = orjson.dumps({"Records": records})
        while True:
            ended: asyncio.Future[Invocation] = asyncio.get_running_loop().create_future()
            self._functions.invoke(self._source.function, event, _setter(ended))
            invocation = await ended
            if invocation.outcome is not Outcome.THROTTLED:
                return invocation
            await asyncio.sleep(_THROTTLE_SECONDS)

    async def _delete(self, messages: Iterable[Message]) -> None:
        remaining = list(messages)
        while remaining:
            batch, remaining = remaining[:RECEIVE_MAXIMUM], remaining[RECEIVE_MAXIMUM:]
            entries = [{"Id": str(i), "ReceiptHandle": each["ReceiptHandle"]} for i, each in enumerate(batch)]
            await self._client.call("sqs", "DeleteMessageBatch", {"QueueUrl": self._queue_url, "Entries": entries})


def _setter(future: asyncio.Future[Invocation]) -> Any:  # noqa: ANN401  # a callback
    def set_result(invocation: Invocation) -> None:
        if not future.done():  # cancelled while the runtime stops
            future.set_result(invocation)

    return set_result
