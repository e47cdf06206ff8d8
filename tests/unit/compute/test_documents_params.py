"""What `documents` takes, and what it refuses before anything is queued."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from compute.documents import MAX_TAGGED_IDS, DocumentsParams, documents, documents_tags, evaluate
from push.computes import load_registry
from push.errors import ComputeFailedError, ErrorCode, RequestError
from push.names import Name
from push.sources.documents import MAX_DOCUMENTS, Reference
from tests.patience import PATIENCE_SECONDS


def parse(**params: object) -> DocumentsParams:
    return documents.parse_params(msgspec.json.encode(params))


def test_a_collection_is_enough() -> None:
    assert parse(collection="airports") == DocumentsParams(collection="airports")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"collection": ""},
        {"collection": "a/b"},
        {"collection": ".."},
        {"collection": "."},
        {"collection": "a\n"},
        {"collection": "é"},
        {"collection": "x" * 65},
        {"collection": 5},
        {"collection": "a", "ids": []},
        {"collection": "a", "ids": "TX"},
        {"collection": "a", "ids": ["../other"]},
        {"collection": "a", "ids": ["x"] * (MAX_DOCUMENTS + 1)},
        {"collection": "a", "query": ""},
        {"collection": "a", "query": "["},
        {"collection": "a", "query": "no_such_function(@)"},
        {"collection": "a", "query": "x" * 4097},
        {"collection": "a", "tenant": "other"},
    ],
    ids=lambda params: str(params)[:60],
)
def test_params_that_do_not_fit_are_invalid(params: dict[str, object]) -> None:
    with pytest.raises(RequestError) as caught:
        parse(**params)
    assert caught.value.code is ErrorCode.INVALID_PARAMS


@pytest.mark.parametrize("name", ["a", "...", "..a", "A-b_c.9", "x" * 64])
def test_names_are_letters_digits_and_three_signs(name: str) -> None:
    assert msgspec.convert(name, Name) == name


def test_a_query_in_unquoted_backticks_fits() -> None:
    assert parse(collection="airports", query="[?contains(name, `International`)]").query


def test_a_result_of_named_documents_is_tagged_with_them() -> None:
    assert documents_tags(parse(collection="airports", ids=["TX", "CA", "TX"])) == (
        "documents:airports/TX",
        "documents:airports/CA",
    )


def test_a_result_of_all_or_many_documents_is_tagged_with_the_collection() -> None:
    many = [str(number) for number in range(MAX_TAGGED_IDS + 1)]
    assert documents_tags(parse(collection="airports")) == ("documents:airports",)
    assert documents_tags(parse(collection="airports", ids=many)) == ("documents:airports",)


def test_what_the_query_makes_is_the_result() -> None:
    references = [Reference("a", "documents/acme/c/a.json", 1)]
    assert bytes(evaluate(references, [b'[{"n": 2}, {"n": 1}]'], "sort_by(@, &n)[].n")) == b"[1,2]"


def test_what_json_cannot_hold_is_a_failure() -> None:
    with pytest.raises(ComputeFailedError):
        evaluate([], [], "&a")


def test_a_result_that_is_too_large_says_how_to_ask_for_less() -> None:
    content = msgspec.json.encode("x" * 6 * 1024 * 1024)
    with pytest.raises(ComputeFailedError, match="ids") as caught:
        evaluate([Reference("a", "documents/acme/c/a.json", 1)], [content], None)
    assert caught.value.code is ErrorCode.TOO_LARGE


LIGHT = """
import sys
sys.path.insert(0, "src")
import {module}
print({heavy!r} & set(sys.modules))
"""


@pytest.mark.parametrize("module", ["compute.documents", "compute.leaderboard", "compute.synthetic"])
def test_where_params_are_only_checked_no_client_is_loaded(module: str) -> None:
    code = LIGHT.format(module=module, heavy={"boto3", "botocore", "redis", "jmespath"})
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
    )
    assert ended.stdout.strip() == "set()"


def test_the_built_in_computes_are_found_by_module_name() -> None:
    registry = load_registry(["compute.documents", "compute.leaderboard", "compute.synthetic"])
    assert sorted(registry.by_name) == ["documents", "leaderboard", "synthetic"]
