"""`pushaside redrive` against a stack with the template's queues."""

from __future__ import annotations

import argparse
import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local import redriving
from local.dead_letters import RedriveError, find_queues
from local.deploying import aws_clients
from local.deploying.sam_template import load_template
from tests.servers.aws import aws_url  # noqa: F401  (a fixture)

pytestmark = pytest.mark.slow

QUEUES = ("Request", "Compute", "Delivery", "Webhook", "Change")
STREAM_FAILURE = json.dumps({"DDBStreamBatchInfo": {"shardId": "s", "startSequenceNumber": "1"}})


AwsClients = cache(aws_clients.AwsClients)
"""To read the services' models again for each test would take most of its time."""


@pytest.fixture(autouse=True)
def shared_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws_clients, "AwsClients", AwsClients)


@cache
def queues_of_the_template() -> dict[str, Any]:
    resources = load_template(Path(__file__).parents[3] / "template.yaml")["Resources"]
    return {name: each for name, each in resources.items() if each["Type"] == "AWS::SQS::Queue"}


@dataclass
class Stack:
    name: str
    endpoint: str
    urls: dict[str, str]
    sqs: Any

    def put(self, queue: str, *bodies: str, **fields: Any) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.urls[queue], MessageBody=body, **fields)

    def take(self, queue: str, **fields: Any) -> list[dict[str, Any]]:
        """Everything that is in a queue, of which nobody holds anything."""
        messages: list[dict[str, Any]] = []
        while batch := self.sqs.receive_message(
            QueueUrl=self.urls[queue],
            MaxNumberOfMessages=10,
            WaitTimeSeconds=0,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages"):
            messages += batch
        return messages

    def bodies(self, queue: str) -> list[str]:
        return sorted(message["Body"] for message in self.take(queue))


@pytest.fixture
def stack(aws_url: str) -> Iterator[Stack]:  # noqa: F811
    clients = AwsClients(aws_url)
    cloudformation, name = clients.client("cloudformation"), f"stack-{uuid.uuid4().hex[:8]}"
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": queues_of_the_template()}))
    resources = cloudformation.describe_stack_resources(StackName=name)["StackResources"]
    urls = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources}
    yield Stack(name, aws_url, urls, clients.client("sqs"))
    cloudformation.delete_stack(StackName=name)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(stack: Stack, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str, where: tuple[str, ...] = ("--aws-endpoint", stack.endpoint)) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        redriving.add_parser(parser.add_subparsers())
        form = () if "--json" in words else ("--text",)
        arguments = parser.parse_args(["redrive", *words, *form, "--stack", stack.name, *where])
        code = arguments.run(arguments)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.mark.parametrize("name", QUEUES)
def test_letters_go_back_to_the_queue_that_they_died_in(stack: Stack, run: Run, name: str) -> None:
    stack.put(f"{name}DeadLetterQueue", *(f'{{"n":{n:02}}}' for n in range(13)))
    code, out, _ = run(name.lower())

    assert code == 0
    assert stack.bodies(f"{name}Queue") == [f'{{"n":{n:02}}}' for n in range(13)]
    assert "13 sent again" in out


def test_a_letter_is_sent_as_it_came(stack: Stack, run: Run) -> None:
    body = '{"tenant":"public","id":"Zoë","attempt":11}'
    attribute = {"kind": {"DataType": "String", "StringValue": "job"}}
    stack.put("WebhookDeadLetterQueue", body, MessageAttributes=attribute)
    run("webhook")
    (message,) = stack.take("WebhookQueue")

    assert message["Body"] == body
    assert message["MessageAttributes"]["kind"]["StringValue"] == "job"


def test_without_a_name_all_queues_are_redriven(stack: Stack, run: Run) -> None:
    for name in QUEUES:
        stack.put(f"{name}DeadLetterQueue", "{}")
    code, out, _ = run("--json")

    assert code == 0
    assert all(stack.bodies(f"{name}Queue") == ["{}"] for name in QUEUES)
    totals = [each for line in out.splitlines() if (each := json.loads(line))["type"] == "redriven"]
    assert [(each["queue"], each["sent"]) for each in totals] == [(name.lower(), 1) for name in QUEUES]


def test_listing_leaves_everything_where_it_is(stack: Stack, run: Run) -> None:
    stack.put("WebhookDeadLetterQueue", '{"id":"r1"}', "first line\nsecond line")
    code, out, _ = run("webhook", "--list")

    assert code == 0
    assert out.splitlines()[0].split() == ["webhook", "2", "in", "WebhookDeadLetterQueue"]
    assert sorted(line.split("s  ", 1)[1] for line in out.splitlines()[1:]) == ["first line", '{"id":"r1"}']
    assert stack.bodies("WebhookQueue") == []
    assert len(stack.bodies("WebhookDeadLetterQueue")) == 2


def test_listing_as_json_is_a_document_per_queue_and_letter(stack: Stack, run: Run) -> None:
    stack.put("WebhookDeadLetterQueue", "whole\nbody")
    _, out, _ = run("webhook", "--list", "--json")
    queue, letter = map(json.loads, out.splitlines())

    assert queue == {"type": "queue", "queue": "webhook", "dead_letters": 1}
    assert (letter["type"], letter["queue"], letter["body"], letter["receives"]) == (
        "letter",
        "webhook",
        "whole\nbody",
        1,
    )
    assert 0 <= letter["age_seconds"] < 60
    assert letter["outcome"] == "listed"


def test_no_more_than_the_limit_are_redriven(stack: Stack, run: Run) -> None:
    stack.put("WebhookDeadLetterQueue", *map(str, range(14)))
    run("webhook", "--limit", "11")

    assert len(stack.bodies("WebhookQueue")) == 11
    assert len(stack.bodies("WebhookDeadLetterQueue")) == 3


def test_lost_records_of_a_stream_are_left(stack: Stack, run: Run) -> None:
    stack.put("ChangeDeadLetterQueue", STREAM_FAILURE, '{"Records":[]}')
    code, out, _ = run("change")

    assert code == 1
    assert "1 kept, because they name lost records of a stream" in out
    assert stack.bodies("ChangeQueue") == ['{"Records":[]}']
    assert stack.bodies("ChangeDeadLetterQueue") == [STREAM_FAILURE]


def test_large_letters_are_sent_in_batches_that_sqs_takes(stack: Stack, run: Run) -> None:
    bodies = sorted(letter * 200_000 for letter in "abcdef")
    stack.put("WebhookDeadLetterQueue", *bodies)

    assert run("webhook")[0] == 0
    assert stack.bodies("WebhookQueue") == bodies


class Failing:
    """An SQS that does some calls otherwise."""

    def __init__(self, sqs: Any, **calls: Callable[..., Any]) -> None:
        self._sqs, self._calls = sqs, calls

    def __getattr__(self, name: str) -> Any:
        return self._calls.get(name) or getattr(self._sqs, name)


def with_sqs(stack: Stack, monkeypatch: pytest.MonkeyPatch, **calls: Callable[..., Any]) -> None:
    clients = AwsClients(stack.endpoint)
    failing = {"sqs": Failing(clients.client("sqs"), **calls)}
    monkeypatch.setattr(
        redriving, "_clients", lambda _: lambda service: failing.get(service) or clients.client(service)
    )


def test_a_letter_that_sqs_does_not_take_is_kept(stack: Stack, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.put("WebhookDeadLetterQueue", "bad", "good")

    def send(QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        good = [entry for entry in Entries if entry["MessageBody"] != "bad"]
        bad = [{"Id": each["Id"], "Code": "No", "Message": "not this one"} for each in Entries if each not in good]
        answer = stack.sqs.send_message_batch(QueueUrl=QueueUrl, Entries=good) if good else {}
        return {**answer, "Failed": bad}

    with_sqs(stack, monkeypatch, send_message_batch=send)
    code, out, _ = run("webhook")

    assert code == 1
    assert "1 kept, because SQS refused them: not this one" in out
    assert stack.bodies("WebhookQueue") == ["good"]
    assert stack.bodies("WebhookDeadLetterQueue") == ["bad"]


@pytest.mark.parametrize("call", ["send_message_batch", "delete_message_batch"])
def test_nothing_is_lost_when_a_call_fails(stack: Stack, run: Run, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    stack.put("WebhookDeadLetterQueue", "one")

    def fail(**_: Any) -> None:
        raise ClientError({"Error": {"Code": "InternalError", "Message": "Not now"}}, call)

    with_sqs(stack, monkeypatch, **{call: fail})
    code, _, err = run("webhook")

    assert code == 1
    assert err.startswith("pushaside redrive: AWS refused a call or did not answer: ")
    stack.sqs.set_queue_attributes(QueueUrl=stack.urls["WebhookDeadLetterQueue"], Attributes={"VisibilityTimeout": "0"})
    stack.sqs = boto3.client("sqs", endpoint_url=stack.endpoint, region_name="us-east-1")
    in_dead = int(
        stack.sqs.get_queue_attributes(
            QueueUrl=stack.urls["WebhookDeadLetterQueue"], AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
        )["Attributes"]["ApproximateNumberOfMessagesNotVisible"]
    )
    assert in_dead + len(stack.bodies("WebhookDeadLetterQueue")) == 1


def test_a_letter_that_says_where_it_came_from_goes_back_there(stack: Stack) -> None:
    """Dead deliveries come from two queues: that of deliveries, and that of dead computes."""
    clients = AwsClients(stack.endpoint)
    arn = stack.sqs.get_queue_attributes(QueueUrl=stack.urls["ComputeDeadLetterQueue"], AttributeNames=["QueueArn"])

    def receive(**fields: Any) -> dict[str, Any]:
        answer = stack.sqs.receive_message(**fields)
        for message in answer.get("Messages", ()):
            message["Attributes"]["DeadLetterQueueSourceArn"] = arn["Attributes"]["QueueArn"]
        return answer

    stack.put("DeliveryDeadLetterQueue", "job")
    failing = Failing(clients.client("sqs"), receive_message=receive)
    (queue,) = find_queues(lambda name: failing if name == "sqs" else clients.client(name), stack.name, ["delivery"])
    assert sum(batch.sent for batch in queue.redrive(None)) == 1

    assert stack.bodies("DeliveryQueue") == []
    assert stack.bodies("ComputeDeadLetterQueue") == ["job"]


def test_what_dies_again_at_once_is_left_for_the_next_time(stack: Stack) -> None:
    clients = AwsClients(stack.endpoint)
    (queue,) = find_queues(clients.client, stack.name, ["webhook"])
    stack.put("WebhookDeadLetterQueue", "first")
    batches = queue.redrive(None)
    assert next(batches).sent == 1
    stack.put("WebhookDeadLetterQueue", "again")

    assert list(batches) == []
    assert stack.bodies("WebhookDeadLetterQueue") == ["again"]


def test_the_ready_file_tells_where_the_stack_is(stack: Stack, run: Run, tmp_path: Path) -> None:
    ready = tmp_path / "ready.json"
    ready.write_text(json.dumps({"aws_endpoint": stack.endpoint}))
    stack.put("WebhookDeadLetterQueue", "{}")

    assert run("webhook", where=("--ready-file", str(ready)))[0] == 0
    assert stack.bodies("WebhookQueue") == ["{}"]


def test_a_ready_file_that_is_none_is_one_sentence(run: Run, tmp_path: Path) -> None:
    code, out, err = run("webhook", where=("--ready-file", str(tmp_path / "absent")))

    assert (code, out) == (1, "")
    assert "is not the ready file of a running stack" in err


def test_a_stack_that_is_not_there_is_one_sentence(aws_url: str, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: F811
    parser = argparse.ArgumentParser()
    redriving.add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["redrive", "--stack", "nowhere", "--aws-endpoint", aws_url])

    assert arguments.run(arguments) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_nothing_is_asked_of_aws_unless_a_stack_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    redriving.add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["redrive"])

    assert arguments.run(arguments) == 2
    assert "Name the stack" in capsys.readouterr().err


def test_a_queue_that_the_stack_lacks_is_told_only_if_it_was_named(aws_url: str) -> None:  # noqa: F811
    clients, name = AwsClients(aws_url), f"stack-{uuid.uuid4().hex[:8]}"
    resources = {key: each for key, each in queues_of_the_template().items() if key.startswith("Webhook")}
    clients.client("cloudformation").create_stack(StackName=name, TemplateBody=json.dumps({"Resources": resources}))

    assert [queue.name for queue in find_queues(clients.client, name)] == ["webhook"]
    with pytest.raises(RedriveError, match="has no ChangeQueue"):
        find_queues(clients.client, name, ["change"])
