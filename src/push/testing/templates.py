"""The tables of an application's SAM template: their keys and indexes by logical id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_DYNAMODB_TABLE = "AWS::DynamoDB::Table"
_SIMPLE_TABLE = "AWS::Serverless::SimpleTable"


@dataclass(frozen=True, slots=True)
class TableKeys:
    """The attributes of a table's keys and of its indexes' keys."""

    partition: str
    sort: str | None
    indexes: Mapping[str, tuple[str, ...]]


def read_tables(template: Path) -> dict[str, TableKeys]:
    """Return the tables that a template declares."""
    resources = _load(template).get("Resources") or {}
    tables = {}
    for name, resource in resources.items():
        properties = resource.get("Properties") or {}
        if resource.get("Type") == _DYNAMODB_TABLE:
            tables[name] = _read_table(properties)
        elif resource.get("Type") == _SIMPLE_TABLE:
            tables[name] = TableKeys((properties.get("PrimaryKey") or {}).get("Name", "id"), None, {})
    return tables


def _read_table(properties: Mapping[str, Any]) -> TableKeys:
    names = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
    indexes = [index for name in names for index in properties.get(name) or ()]
    partition, *sort = _read_keys(properties["KeySchema"])
    return TableKeys(
        partition,
        sort[0] if sort else None,
        {str(each["IndexName"]): _read_keys(each["KeySchema"]) for each in indexes},
    )


def _read_keys(schema: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    by_kind = {element["KeyType"]: element["AttributeName"] for element in schema}
    return tuple(by_kind[kind] for kind in ("HASH", "RANGE") if kind in by_kind)


def _load(template: Path) -> Any:  # noqa: ANN401 - any YAML
    import yaml

    try:
        from yaml import CSafeLoader as SafeLoader  # ten times as fast
    except ImportError:  # PyYAML was built without LibYAML
        from yaml import SafeLoader  # type: ignore[assignment]

    class Loader(SafeLoader):
        """Reads the short forms of CloudFormation's functions as None: no key of a table is one."""

    Loader.add_multi_constructor("!", lambda _loader, _suffix, _node: None)
    return yaml.load(template.read_text(encoding="utf-8"), Loader)  # noqa: S506 - a safe loader
