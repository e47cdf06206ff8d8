"""Registering functions of changes, and finding them by module."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import push
from push.changes.declaring import ChangeFunctions, changes_of, load_change_functions
from push.changes.records import ChangedTag, ChangeRecord
from push.computes import load_registry
from push.errors import DeclarationError, SettingsError

RECORD = ChangeRecord(source="ledger", body={"account": 7})


def test_a_registered_function_can_be_called_as_before() -> None:
    @changes_of("ledger")
    def tags(record: ChangeRecord) -> list[str]:
        return [f"account:{record.body['account']}"]

    assert tags(RECORD) == ["account:7"]
    assert tags.is_blocking


def test_functions_are_found_by_their_source_in_order() -> None:
    first, second, other = (changes_of(name)(lambda _record: None) for name in ("ledger", "ledger", "prices"))
    functions = ChangeFunctions([first, other, second])
    assert functions.of("ledger") == (first, second)
    assert functions.of("nothing") == ()
    assert set(functions.by_source) == {"ledger", "prices"}


@pytest.mark.parametrize("source", ["", None, len])
def test_a_function_names_its_source(source: str) -> None:
    with pytest.raises(DeclarationError, match="Name a source"):
        changes_of(source)


def test_a_function_takes_one_record() -> None:
    def two(_first: object, _second: object) -> None:
        """Take too much."""

    with pytest.raises(DeclarationError, match=r"two.*Give it one parameter"):
        changes_of("ledger")(two)


def test_a_function_has_one_source() -> None:
    registered = changes_of("ledger")(lambda _record: None)
    with pytest.raises(DeclarationError, match="registered for 'ledger' already"):
        changes_of("prices")(registered)


MODULE = """
from push import ChangeRecord, changes_of

@changes_of("ledger")
def tags(record: ChangeRecord) -> list[str]:
    return []
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name of a module that registers one function, and no compute."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "of_changes_alone.py").write_text(MODULE)
    monkeypatch.delitem(sys.modules, "of_changes_alone", raising=False)
    return "of_changes_alone"


def test_a_module_may_have_functions_of_changes_alone(module: str) -> None:
    assert set(load_change_functions([module, module]).by_source) == {"ledger"}
    assert len(load_change_functions([module, module]).of("ledger")) == 1
    assert load_registry([module]).by_name == {}


def test_a_module_that_declares_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="declares no compute"):
        load_change_functions(["tests.builders.change_records"])


def test_what_authors_need_is_exported() -> None:
    assert (push.changes_of, push.ChangeRecord, push.ChangedTag) == (changes_of, ChangeRecord, ChangedTag)


@pytest.mark.parametrize(
    ("tag", "tenant", "why"),
    [
        ("", None, "1 to 255 bytes"),
        ("é" * 128, None, "1 to 255 bytes"),
        ("@Orders", None, "begins with `@`"),
        ("rates", "a b", "not a tenant's name"),
    ],
)
def test_a_tag_that_no_result_can_have_is_refused(tag: str, tenant: str | None, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        ChangedTag(tag, tenant)
