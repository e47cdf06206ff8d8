"""The catalogue of the computes on offer, as clients and tools read it."""

from __future__ import annotations

import inspect
import typing
from typing import Any

import msgspec

from push.computes.declaring import AnyCompute, Computed
from push.computes.registry import Registry
from push.computes.signatures import resolve
from push.errors import DeclarationError

_REFERENCES = "#/$defs/{name}"


def describe_all(registry: Registry) -> dict[str, Any]:
    """Return the document that `GET /computes` answers with; computes in order of their names."""
    return {"computes": [describe(registry.by_name[name]) for name in sorted(registry.by_name)]}


def describe(compute: AnyCompute) -> dict[str, Any]:
    """Return a compute's name, version, description, JSON Schemas, scope and times in seconds.

    The field `result_schema` is absent if the function's return annotation says nothing about the result.
    """
    result = result_schema_of(compute)
    return {
        "name": compute.name,
        "version": compute.version,
        "doc": compute.doc,
        "params": schema_of(compute),
        **({} if result is None else {"result_schema": result}),
        "scope": compute.scope.value,
        "is_guarded": compute.authorize is not None,
        "ttl_seconds": compute.ttl_seconds,
        "stale_ttl_seconds": compute.stale_ttl_seconds,
        "failure_ttl_seconds": compute.failure_ttl_seconds,
        "timeout_seconds": compute.timeout_seconds,
    }


def schema_of(compute: AnyCompute) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a compute's params, as one object with its definitions in `$defs`."""
    (reference,), definitions = msgspec.json.schema_components([compute.params], ref_template=_REFERENCES)
    name = reference["$ref"].rpartition("/")[2]
    is_recursive = f'"#/$defs/{name}"' in msgspec.json.encode(definitions).decode()
    own = definitions[name] if is_recursive else definitions.pop(name)
    # A function's Struct has no name of its own; a Struct's generated description repeats its signature.
    schema = {key: value for key, value in own.items() if key not in {"title", "description"}}
    return {**schema, **({"$defs": definitions} if definitions else {})}


def result_schema_of(compute: AnyCompute) -> dict[str, Any] | None:
    """Return the JSON Schema of a compute's results, or None if its return annotation does not give one.

    An annotation describes a function; unlike that of a parameter, Pushaside can run a compute without it. So one that
    is no schema is no error.
    """
    annotation = inspect.signature(compute.function).return_annotation
    if annotation is inspect.Signature.empty:
        return None
    try:
        kind = resolve(compute.function, "return", annotation)
        if Computed in (kind, *typing.get_args(kind)):
            return None
        (schema,), definitions = msgspec.json.schema_components([kind], ref_template=_REFERENCES)
    except (DeclarationError, TypeError, NameError, AttributeError, ValueError, RuntimeError):
        return None
    return {**schema, **({"$defs": definitions} if definitions else {})} if schema else None
