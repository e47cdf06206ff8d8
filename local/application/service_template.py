"""Pushaside's template with the sources of an application in it.

`pushaside build` writes it and `pushaside local` deploys it. Each source adds a parameter that names it, a resource
that brings its changes to the function or the queue of changes, and the permission for that. The setting SOURCES of
the functions that compute and that take changes tells them what there is.

Sources: "Using AWS Lambda with Amazon Kinesis" and "Using AWS Lambda with Amazon DynamoDB" (Lambda Developer Guide),
for the permissions of a mapping; "Amazon EventBridge input transformation" (EventBridge User Guide); "Subscribing an
Amazon SQS queue to an Amazon SNS topic" (SNS Developer Guide).
"""

from __future__ import annotations

import copy
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from local.application.declaration import FILE, Application
from local.application.declared_sources import Bucket, Events, Notifications, Stream, Table
from local.application.own_sources import Resources, is_own_bus, read_indexes
from local.errors import CannotStartError

_FUNCTION: Final = "ChangeFunction"
_TOLD: Final = ("ComputeFunction", _FUNCTION)
"""The functions that the setting SOURCES is for."""

_QUEUE: Final = {"Fn::GetAtt": ["ChangeQueue", "Arn"]}
_DEFAULT_BUS = "default"

_MAPPING: Final[Mapping[str, Any]] = {
    "FunctionName": {"Ref": _FUNCTION},
    "StartingPosition": "TRIM_HORIZON",
    "BatchSize": 100,
    "ParallelizationFactor": 4,
    "BisectBatchOnFunctionError": True,
    "MaximumRetryAttempts": 20,
    "MaximumRecordAgeInSeconds": 3600,
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
    "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["ChangeDeadLetterQueue", "Arn"]}}},
}
"""The settings of the mappings of Pushaside's own tables; its template says why."""


@dataclass(slots=True)
class _Additions:
    """What the sources add to the template."""

    parameters: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, Any] = field(default_factory=dict)
    permissions: list[dict[str, Any]] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)
    """The ARNs of the rules of EventBridge that send to the queue."""
    topics: list[dict[str, Any]] = field(default_factory=list)
    """The ARNs of the SNS topics that send to the queue."""
    setting: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The setting SOURCES; `${NAME}` in a text stands for a parameter or one of `computed`."""
    computed: dict[str, Any] = field(default_factory=dict)

    def parameter(self, name: str, description: str, default: str | None) -> None:
        declared = {"Description": description, "Type": "String"}
        self.parameters[name] = declared if default is None else declared | {"Default": default}

    def mapping(self, name: str, arn: Mapping[str, Any]) -> None:
        self.resources[name] = {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"EventSourceArn": arn, **copy.deepcopy(_MAPPING)},
        }

    def allow(self, actions: Collection[str], resource: Any) -> None:  # noqa: ANN401  # JSON
        self.permissions.append({"Effect": "Allow", "Action": list(actions), "Resource": resource})

    def rule(self, name: str, properties: Mapping[str, Any], transformer: Mapping[str, Any]) -> None:
        target = {"Id": "ChangeQueue", "Arn": _QUEUE, **transformer}
        self.resources[name] = {"Type": "AWS::Events::Rule", "Properties": {**properties, "Targets": [target]}}
        self.rules.append({"Fn::GetAtt": [name, "Arn"]})


def add_sources(
    template: Mapping[str, Any], application: Application, given: Collection[str], resources: Resources
) -> dict[str, Any]:
    """Return Pushaside's template with an application's sources, without changing `template`.

    Args:
        template: that of Pushaside, in CloudFormation's JSON form.
        application: the application that declares the sources.
        given: the names of the parameters that the application's template gives Pushaside.
        resources: those of the application's template.

    Raises:
        CannotStartError: a source has a name that Pushaside's template uses itself.

    """
    additions = _Additions()
    for kind, name, source in application.declaration.sections():
        entry: dict[str, Any]
        match source:
            case Table():
                entry = _add_table(additions, name, source, read_indexes(source, resources.get(name, {})), given)
            case Bucket():
                entry = _add_bucket(additions, name, source)
            case Stream():
                entry = _add_stream(additions, name, source)
            case Events():
                entry = _add_events(additions, name, source, is_own=is_own_bus(source, resources))
            case Notifications():
                entry = _add_notifications(additions, name, source)
        additions.setting.setdefault(kind, {})[name] = entry
    _check_names(application, additions, template)
    return _merge(copy.deepcopy(dict(template)), additions)


def _add_table(
    additions: _Additions, name: str, table: Table, indexes: Mapping[str, Iterable[str]], given: Collection[str]
) -> dict[str, Any]:
    physical, stream = f"{name}Table", f"{name}Stream"
    additions.parameter(physical, f"Name of the table {name}", table.table_name or None)
    if table.is_own or table.stream is not None or stream in given:
        additions.parameter(stream, f"ARN of the stream of the table {name}", table.stream)
        additions.mapping(f"{name}Changes", {"Ref": stream})
        additions.allow(
            ("dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"), {"Ref": stream}
        )
        streams = (
            f"arn:${{AWS::Partition}}:dynamodb:${{AWS::Region}}:${{AWS::AccountId}}:table/${{{physical}}}/stream/*"
        )
        additions.allow(("dynamodb:ListStreams",), {"Fn::Sub": streams})
    entry: dict[str, Any] = {"name": f"${{{physical}}}"}
    if indexes:
        entry["indexes"] = {_literal(index): [_literal(each) for each in keys] for index, keys in indexes.items()}
    return entry


def _add_bucket(additions: _Additions, name: str, bucket: Bucket) -> dict[str, Any]:
    physical = f"{name}Bucket"
    additions.parameter(physical, f"Name of the bucket {name}, which sends its events to EventBridge", bucket.name)
    pattern = {
        "source": ["aws.s3"],
        "detail-type": ["Object Created", "Object Deleted"],
        "detail": {"bucket": {"name": [{"Ref": physical}]}},
    }
    additions.rule(f"{name}Rule", {"EventPattern": pattern}, {})
    return {"name": f"${{{physical}}}"}


def _add_stream(additions: _Additions, name: str, stream: Stream) -> dict[str, Any]:
    arn, physical = f"{name}Stream", f"{name}StreamName"
    additions.parameter(arn, f"ARN of the Kinesis stream {name}", stream.arn)
    additions.mapping(f"{name}Changes", {"Ref": arn})
    reads = ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
    additions.allow([f"kinesis:{each}" for each in reads], {"Ref": arn})
    if not any(each["Action"] == ["kinesis:ListStreams"] for each in additions.permissions):
        additions.allow(("kinesis:ListStreams",), "*")  # Lambda asks for it, and it takes no ARN
    additions.computed[physical] = {"Fn::Select": [1, {"Fn::Split": ["/", {"Ref": arn}]}]}
    return {"name": f"${{{physical}}}", "format": stream.format}


def _add_events(additions: _Additions, name: str, events: Events, *, is_own: bool) -> dict[str, Any]:
    properties: dict[str, Any] = {"EventPattern": events.pattern}
    if events.bus != _DEFAULT_BUS:
        default = None if is_own else events.bus
        additions.parameter(f"{name}Bus", f"Name or ARN of the bus of the events {name}", default)
        properties["EventBusName"] = {"Ref": f"{name}Bus"}
    # `aws.events.event` would leave out the event's `detail`.
    transformer = {"InputTemplate": f'{{"pushaside_source": "{name}", "event": <aws.events.event.json>}}'}
    additions.rule(f"{name}Rule", properties, {"InputTransformer": transformer})
    return {}


def _add_notifications(additions: _Additions, name: str, notifications: Notifications) -> dict[str, Any]:
    topic = f"{name}Topic"
    additions.parameter(topic, f"ARN of the SNS topic {name}", notifications.arn)
    additions.resources[f"{name}Subscription"] = {
        "Type": "AWS::SNS::Subscription",
        # Not raw: the envelope names the topic.
        "Properties": {"TopicArn": {"Ref": topic}, "Protocol": "sqs", "Endpoint": _QUEUE},
    }
    additions.topics.append({"Ref": topic})
    return {"arn": f"${{{topic}}}"}


def _literal(text: str) -> str:
    """Return a text that `Fn::Sub` leaves as it is."""
    return text.replace("${", "${!")


def _check_names(application: Application, additions: _Additions, template: Mapping[str, Any]) -> None:
    taken = {*template["Parameters"], *template["Resources"]}
    added = [*additions.parameters, *additions.resources]
    for name in added:
        if name in taken or added.count(name) > 1:
            raise CannotStartError(
                f"A source in {application.folder / FILE} needs the name {name}, which Pushaside's template has "
                "already; give the source another logical name, there and in the application's template."
            )


def _merge(template: dict[str, Any], additions: _Additions) -> dict[str, Any]:
    template["Parameters"].update(additions.parameters)
    resources = template["Resources"]
    resources.update(additions.resources)
    if additions.setting:
        text: Any = json.dumps(additions.setting, separators=(",", ":"))
        setting = {"Fn::Sub": [text, additions.computed] if additions.computed else text}
        for function in _TOLD:
            resources[function]["Properties"]["Environment"]["Variables"]["SOURCES"] = setting
    if additions.permissions:
        resources[_FUNCTION]["Properties"]["Policies"].append({"Statement": additions.permissions})
    statements = resources["ChangeQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"]
    if additions.rules:
        statements.append(_allow_sending("EventsOfTheSources", "events.amazonaws.com", additions.rules))
    if additions.topics:
        statements.append(_allow_sending("NotificationsOfTheSources", "sns.amazonaws.com", additions.topics))
    return template


def _allow_sending(sid: str, service: str, senders: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sqs:SendMessage",
        "Resource": _QUEUE,
        "Condition": {"ArnEquals": {"aws:SourceArn": senders}},
    }
