"""The sources that an application's template declares: the checks of their resources, and the keys of their indexes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from local.application.declaration import FILE, Application
from local.application.declared_sources import Bucket, Events, Source, Table
from local.errors import CannotStartError

_SIMPLE_TABLE = "AWS::Serverless::SimpleTable"
_TYPES: Mapping[str, tuple[str, str, Collection[str]]] = {
    "tables": ("table", "name", ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", _SIMPLE_TABLE)),
    "buckets": ("bucket", "name", ("AWS::S3::Bucket",)),
    "streams": ("stream", "arn", ("AWS::Kinesis::Stream",)),
    "notifications": ("topic", "arn", ("AWS::SNS::Topic",)),
}
"""What a section of `pushaside.toml` holds, the field that names one elsewhere, and its resource types."""

BUS: Final = "AWS::Events::EventBus"

_IMAGES = "NEW_AND_OLD_IMAGES"
_INDEXES = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")

Resources = Mapping[str, Mapping[str, Any]]


def check_resources(application: Application, resources: Resources) -> None:
    """Check the resources of the declared sources in the application's template.

    Raises:
        CannotStartError: one is missing, or does not tell of its changes.

    """
    for kind, name, source in application.declaration.sections():
        if isinstance(source, Events) or not source.is_own:
            continue
        _check_presence(application, resources, kind, name)
        properties = resources[name].get("Properties") or {}
        if isinstance(source, Table):
            _check_table(application, name, resources[name]["Type"], properties)
        elif isinstance(source, Bucket):
            _check_bucket(application, name, properties)


def is_own_bus(source: Source, resources: Resources) -> bool:
    """Return whether the events come over a bus that the application's template declares."""
    return isinstance(source, Events) and resources.get(source.bus, {}).get("Type") == BUS


def read_indexes(table: Table, resource: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the partition and sort attributes of a table's indexes, those in `pushaside.toml` first.

    An index that CloudFormation names, or whose keys have several attributes each, is left out: a query by it then
    depends on the whole table.
    """
    properties = resource.get("Properties") or {}
    found = {
        index["IndexName"]: attributes
        for member in _INDEXES
        for index in properties.get(member) or ()
        if isinstance(index.get("IndexName"), str)
        and (attributes := _attributes(index.get("KeySchema") or ())) is not None
    }
    return found | table.indexes


def _attributes(schema: Sequence[Mapping[str, Any]]) -> tuple[str, ...] | None:
    names = [(each.get("KeyType"), each.get("AttributeName")) for each in schema]
    partition = [name for kind, name in names if kind == "HASH" and isinstance(name, str)]
    sort = [name for kind, name in names if kind == "RANGE" and isinstance(name, str)]
    is_plain = len(partition) == 1 and len(sort) <= 1 and len(names) == len(partition) + len(sort)
    return (*partition, *sort) if is_plain else None


def _check_presence(application: Application, resources: Resources, kind: str, name: str) -> None:
    what, field, types = _TYPES[kind]
    there = sorted(each for each, resource in resources.items() if resource["Type"] in types)
    if name not in there:
        has = f"it has {', '.join(there)}" if there else f"it has no {what}"
        raise CannotStartError(
            f"{application.folder / FILE} declares the {what} {name}, which {application.template.name} does not "
            f"have ({has}); add it there, or set `{field}` in [{kind}.{name}]."
        )


def _check_table(application: Application, name: str, kind: str, properties: Mapping[str, Any]) -> None:
    if kind == _SIMPLE_TABLE:
        raise CannotStartError(
            f"{application.template} makes the table {name} an {kind}, which has no stream that could tell of its "
            "changes; use AWS::DynamoDB::Table."
        )
    stream = properties.get("StreamSpecification") or {}
    view = stream.get("StreamViewType")
    if view != _IMAGES and not _is_computed(stream) and not _is_computed(view):
        has = f"the StreamViewType {view}" if view else "no stream"
        raise CannotStartError(
            f"{application.template} gives the table {name} {has}, so its changes are not known in full; write "
            f"`StreamSpecification: {{StreamViewType: {_IMAGES}}}` among its Properties."
        )


def _check_bucket(application: Application, name: str, properties: Mapping[str, Any]) -> None:
    if not any(_tells(each) for each in _walk(properties.get("NotificationConfiguration"))):
        raise CannotStartError(
            f"{application.template} lets nobody know of the changes of the bucket {name}; write "
            "`NotificationConfiguration: {EventBridgeConfiguration: {EventBridgeEnabled: true}}` among its Properties."
        )


def _tells(value: Mapping[str, Any]) -> bool:
    """Return whether a configuration sends events to EventBridge, or leaves that to a value that is known later."""
    configuration = value.get("EventBridgeConfiguration")
    if not isinstance(configuration, Mapping):
        return False
    enabled = configuration.get("EventBridgeEnabled", True)
    return _is_computed(configuration) or _is_computed(enabled) or str(enabled).lower() == "true"


def _walk(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield a JSON object and all objects in it, as in the branches of an `Fn::If`."""
    if isinstance(value, Mapping):
        yield value
        for each in value.values():
            yield from _walk(each)
    elif isinstance(value, list):
        for each in value:
            yield from _walk(each)


def _is_computed(value: object) -> bool:
    """Return whether CloudFormation computes a value."""
    return isinstance(value, Mapping) and any(name == "Ref" or name.startswith("Fn::") for name in value)
