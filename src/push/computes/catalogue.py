"""The catalogue of the computes on offer, as clients and tools read it."""

from __future__ import annotations

from typing import Any

import msgspec

from push.computes.declaring import AnyCompute
from push.computes.registry import Registry


def describe_all(registry: Registry) -> dict[str, Any]:
    """Return the document that `GET /computes` answers with; computes in order of their names."""
    return {"computes": [describe(registry.by_name[name]) for name in sorted(registry.by_name)]}


def describe(compute: AnyCompute) -> dict[str, Any]:
    """Return a compute's name, version, description, JSON Schema of its params, scope and times in seconds."""
    return {
        "name": compute.name,
        "version": compute.version,
        "doc": compute.doc,
        "params": schema_of(compute),
        "scope": compute.scope.value,
        "is_guarded": compute.authorize is not None,
        "ttl_seconds": compute.ttl_seconds,
        "stale_ttl_seconds": compute.stale_ttl_seconds,
        "failure_ttl_seconds": compute.failure_ttl_seconds,
        "timeout_seconds": compute.timeout_seconds,
    }


def schema_of(compute: AnyCompute) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a compute's params, as one object with its definitions in `$defs`."""
    (reference,), definitions = msgspec.json.schema_components([compute.params], ref_template="#/$defs/{name}")
    name = reference["$ref"].rpartition("/")[2]
    is_recursive = f'"#/$defs/{name}"' in msgspec.json.encode(definitions).decode()
    own = definitions[name] if is_recursive else definitions.pop(name)
    # A function's Struct has no name of its own; a Struct's generated description repeats its signature.
    schema = {key: value for key, value in own.items() if key not in {"title", "description"}}
    return {**schema, **({"$defs": definitions} if definitions else {})}
