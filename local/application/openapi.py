"""The OpenAPI description of an application: that of Pushaside's HTTP API, with a path for each compute.

The description of the API knows no computes: it has one path, `/results/{compute}`, whose params are any object. Here
each compute gets a path and a variant of the body of `POST /requests`, with the schemas of its params and its result.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml

from pushaside_service import OPENAPI

Document = dict[str, Any]
Schema = Mapping[str, Any]

_ANY_COMPUTE = "/results/{compute}"
_LINE_WIDTH = 120
_REFERENCE = "#/$defs/"
_COMPONENT = "#/components/schemas/"


def read_base() -> Document:
    """Return the description of the HTTP API of every deployment."""
    document: Document = yaml.safe_load(OPENAPI.read_text(encoding="utf-8"))
    return document


def with_computes(base: Document, computes: Iterable[Mapping[str, Any]]) -> Document:
    """Return a description with a path for each compute, in order of their names, in place of the path for any.

    Args:
        base: the description of the HTTP API; it stays as it is.
        computes: as `GET /computes` lists them.

    """
    document = _without_examples_of_computes(base)
    any_compute = document["paths"][_ANY_COMPUTE]["get"]
    schemas = document["components"]["schemas"]
    paths: Document = {}
    variants: list[Document] = []
    for compute in sorted(computes, key=lambda each: str(each["name"])):
        name = str(compute["name"])
        params = _add_schema(schemas, f"{name}.params", compute["params"])
        result = _add_schema(schemas, f"{name}.result", compute.get("result_schema") or {})
        needs_params = bool(compute["params"].get("required"))
        paths[f"/results/{name}"] = {"get": _operation(any_compute, compute, params, result, is_required=needs_params)}
        variants.append(_variant(name, params, is_required=needs_params))
    document["paths"] = {
        path: item
        for known, each in document["paths"].items()
        for path, item in (paths if known == _ANY_COMPUTE else {known: each}).items()
    }
    if variants:
        _distinguish(schemas["NewRequest"], variants)
    return document


def render_yaml(document: Document) -> str:
    """Return the document as YAML, with several lines of text as a block."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=_LINE_WIDTH)


def render_json(document: Document) -> str:
    """Return the document as indented JSON."""
    return json.dumps(document, ensure_ascii=False, indent=2) + "\n"


def _operation(
    any_compute: Document, compute: Mapping[str, Any], params: Schema, result: Schema, *, is_required: bool
) -> Document:
    """Return the operation that reads the results of one compute."""
    name, doc = str(compute["name"]), str(compute.get("doc", ""))
    summary, _, rest = doc.strip().partition("\n")
    operation = copy.deepcopy(any_compute)
    parameters = []
    for parameter in operation["parameters"]:
        if parameter["in"] == "path":
            continue
        if parameter["name"] == "params":
            description = "The params as JSON." if is_required else parameter["description"]
            content = {"application/json": {"schema": params}}
            parameters.append({**parameter, "description": description, "required": is_required, "content": content})
        else:
            parameters.append(parameter)
    operation["responses"]["200"]["content"]["application/json"] = {"schema": result}
    return {
        **operation,
        "operationId": _operation_id(name),
        "summary": summary or f"Return a result of {name}, or start its compute",
        "description": "\n\n".join(part.strip() for part in (rest, any_compute["description"]) if part.strip()) + "\n",
        "parameters": parameters,
    }


def _operation_id(name: str) -> str:
    """Return `readCustomerOrders` for `customer_orders`; an underscore keeps names apart that would be the same."""
    words = re.split(r"[_-]", name)
    camel = "".join(word[:1].upper() + word[1:] for word in words)
    is_plain = re.fullmatch(r"[a-z][a-z0-9]*(_[a-z][a-z0-9]*)*", name) is not None
    return f"read{camel}" if is_plain else f"read_{name}"


def _variant(name: str, params: Schema, *, is_required: bool) -> Document:
    """Return the part of a durable request that names one compute."""
    return {
        "title": name,
        "type": "object",
        "required": ["compute", "params"] if is_required else ["compute"],
        "properties": {"compute": {"const": name}, "params": params},
    }


def _distinguish(request: Document, variants: list[Document]) -> None:
    """Let the body of `POST /requests` be one of the variants, and no request for another compute."""
    for name in ("compute", "params"):
        del request["properties"][name]
    request["required"] = [name for name in request["required"] if name != "compute"]
    request["oneOf"] = variants


def _add_schema(schemas: Document, name: str, schema: Schema) -> Document:
    """Add a schema and its definitions to the components; return the reference to it.

    In an OpenAPI document, a reference begins at the document's root and not at the schema's (OpenAPI 3.1, "Reference
    Object"), so that each definition becomes a component and the references follow.
    """
    definitions = schema.get("$defs", {})
    own = {key: value for key, value in schema.items() if key != "$defs"}

    def follow(reference: str) -> str:
        return f"{_COMPONENT}{name}.{_component_name(reference.removeprefix(_REFERENCE))}"

    schemas[name] = _with_references(own, follow)
    for each, definition in definitions.items():
        schemas[f"{name}.{_component_name(each)}"] = _with_references(definition, follow)
    return {"$ref": f"{_COMPONENT}{name}"}


def _component_name(definition: str) -> str:
    """Return a definition's name with the characters that names of components may have."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", definition)


def _with_references(schema: Any, follow: Callable[[str], str]) -> Any:  # noqa: ANN401  # any part of a schema
    if isinstance(schema, list):
        return [_with_references(each, follow) for each in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith(_REFERENCE):
        return {**schema, "$ref": follow(reference)}
    return {key: _with_references(value, follow) for key, value in schema.items()}


def _without_examples_of_computes(base: Document) -> Document:
    """Return a copy without the examples of operations on computes, which show those of the demo."""
    document = copy.deepcopy(base)
    for path, item in document["paths"].items():
        if path.startswith(("/results", "/requests", "/computes")):
            document["paths"][path] = _without_examples(item)
    return document


def _without_examples(part: Any) -> Any:  # noqa: ANN401  # any part of a document
    if isinstance(part, list):
        return [_without_examples(each) for each in part]
    if isinstance(part, dict):
        return {key: _without_examples(each) for key, each in part.items() if key not in {"example", "examples"}}
    return part


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and no references between equal parts."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ANN401, ARG002  # the base class's signature
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)
