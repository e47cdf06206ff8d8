"""What stands on one machine for the sources that exist elsewhere on AWS.

Streams, topics, buckets and buses get an empty resource of the same name, which tests and developers write to. Tables
get none, because `pushaside.toml` does not say their keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.application.declaration import Application
from local.application.declared_sources import Bucket, Events, Notifications, Source, Stream
from local.application.own_sources import BUS, Resources, is_own_bus


@dataclass(frozen=True, slots=True)
class StandIn:
    """A resource for the application's template, and the parameter of Pushaside that names it."""

    logical_id: str
    resource: Mapping[str, Any]
    parameter: str
    value: Mapping[str, Any]


def stand_ins(application: Application, given: Mapping[str, Any], resources: Resources) -> Iterator[StandIn]:
    """Yield what stands for each source that exists elsewhere and that the template does not give Pushaside."""
    for _, name, source in application.declaration.sections():
        made = _stand_in(name, source, resources)
        if made is not None and made.parameter not in given:
            yield made


def _stand_in(name: str, source: Source, resources: Resources) -> StandIn | None:
    own = f"StandIn{name}"
    match source:
        case Bucket(name=str() as bucket):
            told = {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
            properties: dict[str, Any] = {"BucketName": bucket, "NotificationConfiguration": told}
            return StandIn(own, _resource("AWS::S3::Bucket", properties), f"{name}Bucket", {"Ref": own})
        case Stream(arn=str()):
            properties = {"Name": source.stream_name, "ShardCount": 1}
            arn = {"Fn::GetAtt": [own, "Arn"]}
            return StandIn(own, _resource("AWS::Kinesis::Stream", properties), f"{name}Stream", arn)
        case Notifications(arn=str()):
            properties = {"TopicName": source.topic_name}
            return StandIn(own, _resource("AWS::SNS::Topic", properties), f"{name}Topic", {"Ref": own})
        case Events(bus=bus) if bus != "default" and not is_own_bus(source, resources):
            # The same logical id for every pattern on a bus, because a bus can be made once.
            own = "StandInBus" + "".join(filter(str.isalnum, bus))
            properties = {"Name": bus.rpartition("event-bus/")[2]}
            return StandIn(own, _resource(BUS, properties), f"{name}Bus", {"Ref": own})
        case _:
            return None


def _resource(kind: str, properties: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"Type": kind, "Properties": properties}
