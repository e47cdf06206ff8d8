"""Queues and streams are polled as Lambda polls them."""

from __future__ import annotations

import json
import statistics
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from local.deploying.aws_clients import AwsClients
from local.deploying.deployment import Stack
from local.deploying.queue_senders import read_senders
from tests.integration.local_runtime.running_stacks import RunningStack, eventually


@pytest.fixture
def queues(stack: RunningStack) -> dict[str, str]:
    """URL of each queue by the logical id in its name."""
    urls = stack.client("sqs").list_queues()["QueueUrls"]
    return {url.rpartition("/")[2].split("-")[1]: url for url in urls}


@pytest.fixture
def table(stack: RunningStack) -> Any:
    (name,) = stack.client("dynamodb").list_tables()["TableNames"]
    return name


@pytest.fixture
def notes(stack: RunningStack) -> Iterator[Any]:
    """What the functions noted, from the beginning of the test on."""
    with stack.redis() as notes:
        notes.flushall()
        yield notes


def batches(notes: Any, name: str = "batches") -> list[list[dict[str, Any]]]:
    return [json.loads(batch) for batch in notes.lrange(name, 0, -1)]


def bodies(notes: Any) -> list[Any]:
    return [json.loads(record["body"]) for batch in batches(notes) for record in batch]


def send(stack: RunningStack, url: str, *messages: dict[str, Any]) -> None:
    entries = [{"Id": str(n), "MessageBody": json.dumps(message)} for n, message in enumerate(messages)]
    stack.client("sqs").send_message_batch(QueueUrl=url, Entries=entries)


def is_empty(stack: RunningStack, url: str) -> bool:
    attributes = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {
        attributes["ApproximateNumberOfMessages"],
        attributes["ApproximateNumberOfMessagesNotVisible"],
    } == {"0"}


def test_a_message_reaches_the_function_in_lambdas_shape(stack, queues, notes) -> None:
    stack.client("sqs").send_message(
        QueueUrl=queues["WorkQueue"],
        MessageBody='{"n": 1}',
        MessageAttributes={"kind": {"DataType": "String", "StringValue": "plain"}},
    )
    ((record,),) = eventually(lambda: batches(notes))
    assert record["body"] == '{"n": 1}'
    assert record["eventSource"] == "aws:sqs"
    assert record["awsRegion"] == "us-east-1"
    assert record["eventSourceARN"].endswith(queues["WorkQueue"].rpartition("/")[2])
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert {"SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} <= set(record["attributes"])
    assert record["messageAttributes"]["kind"] == {
        "stringValue": "plain",
        "dataType": "String",
        "stringListValues": [],
        "binaryListValues": [],
    }
    assert record["messageId"]
    assert record["receiptHandle"]
    assert record["md5OfBody"]


def delivery_seconds(stack: RunningStack, url: str, notes: Any, delay_seconds: int = 0) -> float:
    """Send a message and return how long it was on its way."""
    came = len(bodies(notes))
    began = time.monotonic()
    stack.client("sqs").send_message(QueueUrl=url, MessageBody="{}", DelaySeconds=delay_seconds)
    eventually(lambda: len(bodies(notes)) > came)
    return time.monotonic() - began


def test_a_message_is_delivered_at_once(stack, queues, notes) -> None:
    """Unless it is notified, the poller looks twice a second. A retry of the median would let that pass by chance."""
    assert statistics.median(delivery_seconds(stack, queues["WorkQueue"], notes) for _ in range(5)) < 0.1


def test_a_delayed_message_is_delivered_when_its_delay_is_over(stack, queues, notes) -> None:
    def is_on_time() -> bool:
        seconds = delivery_seconds(stack, queues["WorkQueue"], notes, delay_seconds=1)
        assert seconds > 0.9
        return seconds < 2.5

    eventually(is_on_time)


def test_what_succeeded_is_deleted(stack, queues, notes) -> None:
    send(stack, queues["WorkQueue"], *({"n": n} for n in range(10)))
    eventually(lambda: len(bodies(notes)) == 10)
    eventually(lambda: is_empty(stack, queues["WorkQueue"]))


def test_only_the_items_that_failed_come_back_and_end_in_the_dead_letter_queue(stack, queues, notes) -> None:
    send(stack, queues["WorkQueue"], {"n": 1}, {"n": 2, "do": "fail"}, {"n": 3})
    dead = eventually(
        lambda: stack.client("sqs").receive_message(QueueUrl=queues["DeadQueue"], WaitTimeSeconds=1).get("Messages")
    )
    assert [json.loads(message["Body"])["n"] for message in dead] == [2]
    assert sorted(body["n"] for body in bodies(notes)) == [1, 2, 2, 3]
    stack.client("sqs").purge_queue(QueueUrl=queues["DeadQueue"])


@pytest.mark.parametrize("trouble", ["raise", "malformed"])
def test_a_batch_that_fails_or_answers_nonsense_comes_back_as_a_whole(stack, queues, notes, trouble: str) -> None:
    send(stack, queues["WorkQueue"], {"n": 1, "do": trouble}, {"n": 2, "do": trouble})
    eventually(lambda: sorted(body["n"] for body in bodies(notes)) == [1, 1, 2, 2])
    stack.client("sqs").purge_queue(QueueUrl=queues["WorkQueue"])
    stack.client("sqs").purge_queue(QueueUrl=queues["DeadQueue"])


def test_a_mapping_that_the_template_disables_is_not_polled(stack, queues, notes) -> None:
    send(stack, queues["UnreadQueue"], {"n": 1})
    send(stack, queues["WorkQueue"], {"n": 2})
    eventually(lambda: bodies(notes) == [{"n": 2}])
    assert not is_empty(stack, queues["UnreadQueue"])
    stack.client("sqs").purge_queue(QueueUrl=queues["UnreadQueue"])


def test_the_embedded_aws_runs_no_function_itself(stack, queues, notes) -> None:
    send(stack, queues["WorkQueue"], *({"n": n} for n in range(10)))
    eventually(lambda: is_empty(stack, queues["WorkQueue"]))
    assert sorted(body["n"] for body in bodies(notes)) == list(range(10))


def put(stack: RunningStack, table: str, *names: str) -> None:
    for name in names:
        stack.client("dynamodb").put_item(TableName=table, Item={"id": {"S": name}, "value": {"N": "1"}})


def changed(notes: Any) -> list[str]:
    return [record["dynamodb"]["Keys"]["id"]["S"] for batch in batches(notes, "changes") for record in batch]


def test_a_write_reaches_the_function_in_lambdas_shape(stack, table, notes) -> None:
    name = uuid.uuid4().hex
    put(stack, table, name)
    ((record,),) = eventually(lambda: batches(notes, "changes"))
    assert record["eventName"] == "INSERT"
    assert record["eventSource"] == "aws:dynamodb"
    assert record["awsRegion"] == "us-east-1"
    assert f":table/{table}/stream/" in record["eventSourceARN"]
    assert record["dynamodb"]["NewImage"] == {"id": {"S": name}, "value": {"N": "1"}}
    assert record["dynamodb"]["SequenceNumber"]


def test_writes_arrive_in_order(stack, table, notes) -> None:
    names = [uuid.uuid4().hex for _ in range(25)]
    put(stack, table, *names)
    eventually(lambda: len(changed(notes)) == 25)
    assert changed(notes) == names


def test_records_that_the_filter_does_not_match_are_not_seen(stack, table, notes) -> None:
    name, last = uuid.uuid4().hex, uuid.uuid4().hex
    put(stack, table, name)
    stack.client("dynamodb").delete_item(TableName=table, Key={"id": {"S": name}})
    put(stack, table, last)
    eventually(lambda: last in changed(notes))
    assert changed(notes) == [name, last]


def test_a_poison_record_is_isolated_and_goes_to_the_failure_destination(stack, queues, table, notes) -> None:
    names = [uuid.uuid4().hex, f"poison-{uuid.uuid4().hex}", uuid.uuid4().hex, uuid.uuid4().hex]
    items = [{"PutRequest": {"Item": {"id": {"S": name}}}} for name in names]
    stack.client("dynamodb").batch_write_item(RequestItems={table: items})
    (message,) = eventually(
        lambda: stack.client("sqs").receive_message(QueueUrl=queues["PoisonQueue"], WaitTimeSeconds=1).get("Messages")
    )
    failure = json.loads(message["Body"])
    assert failure["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert failure["DDBStreamBatchInfo"]["batchSize"] == 1
    eventually(lambda: set(names) <= set(changed(notes)))
    last = uuid.uuid4().hex
    put(stack, table, last)
    eventually(lambda: last in changed(notes))


@pytest.fixture
def rows(stack: RunningStack) -> str:
    """The name of the Kinesis stream."""
    (name,) = stack.client("kinesis").list_streams()["StreamNames"]
    return str(name)


def put_rows(stack: RunningStack, stream: str, *texts: str) -> None:
    records = [{"Data": text.encode(), "PartitionKey": text} for text in texts]
    stack.client("kinesis").put_records(StreamName=stream, Records=records)


def row_texts(notes: Any) -> list[str]:
    return [text for batch in batches(notes, "rows") for text in batch]


def test_records_of_kinesis_arrive_in_order(stack, rows, notes) -> None:
    texts = [uuid.uuid4().hex for _ in range(25)]
    put_rows(stack, rows, *texts)
    eventually(lambda: len(row_texts(notes)) == 25)
    assert row_texts(notes) == texts


def test_a_poison_record_of_kinesis_goes_to_the_failure_destination(stack, queues, rows, notes) -> None:
    put_rows(stack, rows, "a", "poison", "b")
    (message,) = eventually(
        lambda: stack.client("sqs").receive_message(QueueUrl=queues["PoisonQueue"], WaitTimeSeconds=1).get("Messages")
    )
    failure = json.loads(message["Body"])
    assert failure["requestContext"]["condition"] == "RetryAttemptsExhausted"
    put_rows(stack, rows, "last")
    eventually(lambda: "last" in row_texts(notes))


def test_the_shards_of_a_split_one_are_read_too(stack, rows, notes) -> None:
    kinesis = stack.client("kinesis")
    (shard,) = kinesis.list_shards(StreamName=rows)["Shards"]
    kinesis.split_shard(StreamName=rows, ShardToSplit=shard["ShardId"], NewStartingHashKey=str(2**127))
    texts = [uuid.uuid4().hex for _ in range(10)]
    put_rows(stack, rows, *texts)
    eventually(lambda: sorted(row_texts(notes)) == sorted(texts))
    first, second = kinesis.list_shards(StreamName=rows)["Shards"]
    kinesis.merge_shards(StreamName=rows, ShardToMerge=first["ShardId"], AdjacentShardToMerge=second["ShardId"])
    put_rows(stack, rows, "merged")
    eventually(lambda: "merged" in row_texts(notes))


def test_what_sends_to_a_queue_is_known_by_its_name(stack, queues) -> None:
    """So that a poller hears at once of an event or a notification in its queue."""
    events, sns = stack.client("events"), stack.client("sns")
    queue = f"arn:aws:sqs:us-east-1:000000000000:{queues['UnreadQueue'].rpartition('/')[2]}"
    events.create_event_bus(Name="shop")
    for bus in ("shop", "default"):
        events.put_rule(Name="prices", EventBusName=bus, EventPattern='{"source": ["shop.prices"]}')
        events.put_targets(Rule="prices", EventBusName=bus, Targets=[{"Id": "1", "Arn": queue}])
    topic = sns.create_topic(Name="deals")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=queue)
    types = {"Rule": "AWS::Events::Rule", "Subscription": "AWS::SNS::Subscription"}
    deployed = Stack({}, types, frozenset(), {}, {})
    assert read_senders(deployed, AwsClients(stack.ready["aws_endpoint"]))[queue] == {"shop", "default", "deals"}
