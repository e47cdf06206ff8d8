"""Messages to SNS topics."""

from __future__ import annotations

import json

from botocore.exceptions import EndpointConnectionError

from push.adapters.aws.sns import SnsTopics
from push.durable.ports import AttemptOutcome
from tests.servers.aws import Aws


async def test_a_topic_passes_on_what_was_published(aws: Aws) -> None:
    sns, sqs = aws.client("sns"), aws.client("sqs")
    queue_url = sqs.create_queue(QueueName=aws.bucket)["QueueUrl"]
    queue_arn = sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    arn = sns.create_topic(Name=aws.bucket)["TopicArn"]
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=queue_arn)
    assert await SnsTopics(sns).publish(
        arn, '{"text":"grüße"}', {"type": "request.done", "id": "msg_1"}
    ) == AttemptOutcome(200)
    (message,) = sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=1)["Messages"]
    envelope = json.loads(message["Body"])
    assert envelope["Message"] == '{"text":"grüße"}'
    assert {name: each["Value"] for name, each in envelope["MessageAttributes"].items()} == {
        "type": "request.done",
        "id": "msg_1",
    }


async def test_a_topic_that_is_not_there_is_a_failed_attempt(aws: Aws) -> None:
    outcome = await SnsTopics(aws.client("sns")).publish("arn:aws:sns:us-east-1:123456789012:absent", "x", {})
    assert outcome == AttemptOutcome(404, "SNS refused the message: NotFound.")


async def test_a_service_that_does_not_answer_is_one_too(aws: Aws) -> None:
    client = aws.client("sns")
    client.meta.events.register("before-send.sns.Publish", _fail)
    outcome = await SnsTopics(client).publish("arn:aws:sns:us-east-1:123456789012:absent", "x", {})
    assert outcome == AttemptOutcome(error="SNS did not answer: EndpointConnectionError.")


def _fail(**_options: object) -> None:
    raise EndpointConnectionError(endpoint_url="sns")
