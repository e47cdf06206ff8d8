"""Streams are polled by Lambda's rules: shards after their parents, failed batches again, split, and given up."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from local.deploying.control_plane import EventSource
from local.functions.invocation import Invocation, Outcome
from local.sources.stream_services import KinesisStream
from local.sources.streams import StreamEventSource
from tests.fakes.scripted_streams import ScriptedFunction, ScriptedKinesis, ScriptedShard
from tests.fakes.virtual_time import run_virtually

ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/rows"
RAISED = Invocation(Outcome.RAISED, b'{"errorMessage": "no"}')
THROTTLED = Invocation(Outcome.THROTTLED, b"{}")


def source(**settings: Any) -> EventSource:
    given = {"batch_size": 100, "report_item_failures": True, "starting_position": "TRIM_HORIZON", **settings}
    return EventSource("changes", ARN, window_seconds=0, **given)


def kinesis(*texts: str) -> ScriptedKinesis:
    """A stream of one shard with records."""
    stream = ScriptedKinesis()
    stream.shards["shard-0"] = ScriptedShard()
    stream.put("shard-0", *texts)
    return stream


def poll(
    stream: ScriptedKinesis,
    function: ScriptedFunction,
    mapping: EventSource,
    *steps: Callable[[], object],
    seconds: float = 600.0,
) -> None:
    """Poll for some time before, between and after the steps."""

    async def run() -> None:
        poller = StreamEventSource(mapping, KinesisStream(ARN), stream, function, "http://127.0.0.1/dead")  # type: ignore[arg-type]  # a stand-in
        running = asyncio.create_task(poller.run())
        for step in (*steps, lambda: None):
            await asyncio.sleep(seconds)
            step()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run_virtually(run())


def failures(*numbers: int) -> Invocation:
    """The answer that names records by their sequence numbers."""
    items = [{"itemIdentifier": f"{number:020d}"} for number in numbers]
    return Invocation(Outcome.RETURNED, orjson.dumps({"batchItemFailures": items}))


# Records


def test_a_record_of_kinesis_has_lambdas_shape() -> None:
    function = ScriptedFunction()
    stream = kinesis("hello")
    poll(stream, function, source())
    ((record,),) = [event["Records"] for event in function.events]
    assert record == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "key",
            "sequenceNumber": "00000000000000000001",
            "data": base64.b64encode(b"hello").decode(),
            "approximateArrivalTimestamp": stream.shards["shard-0"].records[0]["ApproximateArrivalTimestamp"],
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": "shard-0:00000000000000000001",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::000000000000:role/local",
        "awsRegion": "us-east-1",
        "eventSourceARN": ARN,
    }


def test_records_come_in_order_and_in_batches() -> None:
    function = ScriptedFunction()
    poll(kinesis("a", "b", "c", "d", "e"), function, source(batch_size=2))
    assert function.batches == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.parametrize(("position", "texts"), [("TRIM_HORIZON", ["old", "new"]), ("LATEST", ["new"])])
def test_the_mapping_says_where_to_begin(position: str, texts: list[str]) -> None:
    function, stream = ScriptedFunction(), kinesis("old")
    poll(stream, function, source(starting_position=position), lambda: stream.put("shard-0", "new"))
    assert function.texts == texts


# Resharding


def test_a_shard_is_read_after_those_it_came_from() -> None:
    stream = ScriptedKinesis()
    stream.shards["child"] = ScriptedShard(parents=["left", "right"])
    stream.put("child", "after")
    for parent in ("left", "right"):
        stream.shards[parent] = ScriptedShard(is_closed=True)
        stream.put(parent, f"{parent} 1", f"{parent} 2")
    stream.shards = {name: stream.shards[name] for name in ("left", "right", "child")}
    failing = iter([RAISED] * 3)
    function = ScriptedFunction(lambda texts: next(failing, None) if "left 1" in texts else None)
    poll(stream, function, source(batch_size=1))
    assert function.texts[-1] == "after"
    assert function.texts.count("left 1") == 4


def test_a_new_shard_is_read_from_its_beginning_even_by_a_mapping_that_began_with_the_latest() -> None:
    function, stream = ScriptedFunction(), kinesis("old")

    def split() -> None:
        stream.shards["shard-0"].is_closed = True
        stream.shards["shard-1"] = ScriptedShard(parents=["shard-0"])
        stream.put("shard-1", "first of the new shard")

    poll(stream, function, source(starting_position="LATEST"), split)
    assert function.texts == ["first of the new shard"]


def test_a_shard_that_is_gone_holds_up_nobody() -> None:
    function, stream = ScriptedFunction(), kinesis("a")

    def merge() -> None:
        del stream.shards["shard-0"]
        stream.shards["shard-1"] = ScriptedShard(parents=["shard-0"])
        stream.put("shard-1", "b")

    poll(stream, function, source(), merge)
    assert function.texts == ["a", "b"]


# Failures


def test_a_batch_that_fails_is_run_again_and_the_shard_waits() -> None:
    failing = iter([RAISED, RAISED])
    function = ScriptedFunction(lambda _: next(failing, None))
    poll(kinesis("a", "b"), function, source(batch_size=1))
    assert function.batches == [["a"], ["a"], ["a"], ["b"]]


def test_from_the_first_failed_record_on_the_batch_is_run_again() -> None:
    answers = iter([failures(4, 2)])
    function = ScriptedFunction(lambda _: next(answers, None))
    poll(kinesis("a", "b", "c", "d"), function, source(bisect_on_error=True))
    assert function.batches == [["a", "b", "c", "d"], ["b", "c", "d"]]


@pytest.mark.parametrize(
    "answer", [b'{"batchItemFailures": [{"itemIdentifier": "9"}]}', b'{"batchItemFailures": [3]}', b'"text"']
)
def test_an_answer_that_names_no_record_of_the_batch_fails_it_whole(answer: bytes) -> None:
    answers = iter([Invocation(Outcome.RETURNED, answer)])
    function = ScriptedFunction(lambda _: next(answers, None))
    poll(kinesis("a", "b"), function, source())
    assert function.batches == [["a", "b"], ["a", "b"]]


def test_without_partial_answers_what_returned_has_succeeded() -> None:
    function = ScriptedFunction(lambda _: failures(1))
    poll(kinesis("a"), function, source(report_item_failures=False))
    assert function.batches == [["a"]]


def test_a_batch_with_a_poison_record_is_halved_until_that_is_alone() -> None:
    function = ScriptedFunction(lambda texts: RAISED if "poison" in texts else None)
    stream = kinesis("a", "b", "poison", "c")
    poll(stream, function, source(bisect_on_error=True, maximum_retries=3))
    assert function.batches[:4] == [["a", "b", "poison", "c"], ["a", "b"], ["poison", "c"], ["poison"]]
    assert function.batches[-1] == ["c"]
    (failure,) = stream.sent
    assert failure["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert (
        failure["KinesisBatchInfo"]
        | {
            "shardId": "shard-0",
            "startSequenceNumber": f"{3:020d}",
            "endSequenceNumber": f"{3:020d}",
            "batchSize": 1,
            "streamArn": ARN,
        }
        == failure["KinesisBatchInfo"]
    )


def test_a_batch_is_given_up_after_its_retries() -> None:
    function = ScriptedFunction(lambda texts: RAISED if texts == ["a"] else None)
    stream = kinesis("a", "b")
    poll(stream, function, source(batch_size=1, maximum_retries=2))
    assert function.batches == [["a"], ["a"], ["a"], ["b"]]
    assert stream.sent[0]["requestContext"]["approximateInvokeCount"] == 3


def test_a_record_that_is_too_old_is_given_up_unseen() -> None:
    function, stream = ScriptedFunction(), kinesis("old", "new")
    stream.shards["shard-0"].records[0]["ApproximateArrivalTimestamp"] -= 7200
    poll(stream, function, source(batch_size=1, maximum_record_age_seconds=3600))
    assert function.batches == [["new"]]
    assert stream.sent[0]["requestContext"]["condition"] == "MaxRecordAgeExceeded"


def test_a_throttled_function_costs_no_retries() -> None:
    throttled = iter([THROTTLED] * 10)
    function = ScriptedFunction(lambda _: next(throttled, None))
    stream = kinesis("a")
    poll(stream, function, source(maximum_retries=1))
    assert len(function.batches) == 11
    assert stream.sent == []
