"""The buckets, event buses and topics that send to the queues of a stack."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from local.deploying.aws_clients import AwsClients
from local.deploying.deployment import Stack


def read_senders(stack: Stack, clients: AwsClients) -> Mapping[str, frozenset[str]]:
    """Return the names of what sends to a queue, by the queue's ARN. Only what the stack has is asked for."""
    senders: defaultdict[str, set[str]] = defaultdict(set)
    for queue, sender in (
        *_buckets(stack, clients),
        *(_buses(clients) if stack.of_type("AWS::Events::Rule") else ()),
        *(_topics(clients) if stack.of_type("AWS::SNS::Subscription") else ()),
    ):
        senders[queue].add(sender)
    return {queue: frozenset(names) for queue, names in senders.items()}


def _buckets(stack: Stack, clients: AwsClients) -> Iterator[tuple[str, str]]:
    for logical_id in stack.of_type("AWS::S3::Bucket"):
        bucket = stack.resources[logical_id]
        configuration = clients.client("s3").get_bucket_notification_configuration(Bucket=bucket)
        for each in configuration.get("QueueConfigurations", ()):
            yield each["QueueArn"], bucket


def _buses(clients: AwsClients) -> Iterator[tuple[str, str]]:
    events = clients.client("events")
    for bus in events.list_event_buses()["EventBuses"]:
        for rule in events.list_rules(EventBusName=bus["Name"])["Rules"]:
            for target in events.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus["Name"])["Targets"]:
                yield target["Arn"], bus["Name"]


def _topics(clients: AwsClients) -> Iterator[tuple[str, str]]:
    for each in clients.client("sns").list_subscriptions()["Subscriptions"]:
        yield each["Endpoint"], each["TopicArn"].rpartition(":")[2]
