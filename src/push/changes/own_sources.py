"""Pushaside's own sources: the index and the objects of documents, and the scores of boards.

BUILT_IN_SOURCES gives them these names, under which the built-in computes register functions of their changes.
"""

from __future__ import annotations

import re

import msgspec

from push.changes.records import ChangeRecord, UnreadableChangeError
from push.computes import Tenant
from push.errors import RequestError
from push.keys import parse_tenant
from push.names import Name

BUILT_IN = "pushaside:"
"""The beginning of these names, which no name in pushaside.toml can have."""

DOCUMENTS = f"{BUILT_IN}documents"
OBJECTS = f"{BUILT_IN}objects"
SCORES = f"{BUILT_IN}scores"

_OBJECT_KEY = re.compile(r"documents/([^/]+)/([^/]+)/(.+)\.json")


def split_object_key(record: ChangeRecord) -> tuple[Tenant, str, str]:
    """Return the tenant, collection and id of the document that an object holds.

    Raises:
        UnreadableChangeError: it holds none.

    """
    found = _OBJECT_KEY.fullmatch(record.object_key)
    if found is None:
        raise UnreadableChangeError(f"The object {record.object_key!r} does not have a document's name.")
    tenant, collection, document_id = found.groups()
    return *_check(tenant, collection), document_id


def split_row_key(record: ChangeRecord, partition: str, member: str) -> tuple[Tenant, str, str]:
    """Return the tenant, the name and the member in the key of a row, whose partition key is `tenant/name`.

    Args:
        record: the change of the row.
        partition: the attribute of the partition key.
        member: the attribute of the sort key.

    Raises:
        UnreadableChangeError: the row does not have such a key.

    """
    key = record.key or {}
    owned, own = key.get(partition), key.get(member)
    if not isinstance(owned, str) or not isinstance(own, str):
        raise UnreadableChangeError(f"A row of {record.source} has a key without `{partition}` and `{member}`.")
    tenant, _, name = owned.partition("/")
    return *_check(tenant, name), own


def _check(tenant: str, name: str) -> tuple[Tenant, str]:
    try:
        return parse_tenant(tenant), msgspec.convert(name, Name)
    except (RequestError, msgspec.ValidationError) as exc:
        raise UnreadableChangeError(f"{tenant!r} and {name!r} are not a tenant's name and a name: {exc}.") from exc
