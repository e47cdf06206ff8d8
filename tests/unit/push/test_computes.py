"""Computes: declared, found by the name of their module, and refused with what is wrong."""

from __future__ import annotations

import sys
from types import ModuleType

import msgspec
import pytest

from push.computes import Compute, Registry, Scope, compute, load_registry
from push.errors import ErrorCode, RequestError, SettingsError
from tests.builders.results import EchoParams, echo, shared


def declare(name: str) -> Compute[EchoParams]:
    @compute(name=name, ttl=1.0)
    async def declared(params: EchoParams) -> object:
        """Compute nothing."""

    return declared


@pytest.mark.parametrize("name", ["a", "a-b_c9", "x" * 64])
def test_a_plain_name_is_taken(name: str) -> None:
    assert declare(name).name == name


@pytest.mark.parametrize("name", ["", "A", "9a", "a b", "a/b", "x" * 65, "\u00fc", "a\n"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="name"):
        declare(name)


def test_what_is_left_out_is_careful() -> None:
    declared = declare("a")
    assert (declared.scope, declared.stale_ttl_seconds, declared.tags(EchoParams())) == (Scope.TENANT, 0.0, ())


def test_a_compute_is_found_by_its_name() -> None:
    registry = Registry([echo, shared])
    assert registry.find("echo") is echo
    assert set(registry.by_name) == {"echo", "shared"}


def test_an_unknown_compute_is_the_callers_mistake() -> None:
    with pytest.raises(RequestError) as caught:
        Registry([]).find("echo")
    assert caught.value.code is ErrorCode.UNKNOWN_COMPUTE


@pytest.mark.parametrize("name", ["ehco", "Echo", "echoo"])
def test_a_mistyped_compute_is_answered_with_the_name_that_was_meant(name: str) -> None:
    with pytest.raises(RequestError) as caught:
        Registry([echo]).find(name)
    assert str(caught.value) == f"No compute is named `{name}`. Did you mean `echo`?"


@pytest.mark.parametrize("name", ["weather", "echo" * 30_000])
def test_nothing_is_suggested_that_is_not_close(name: str) -> None:
    with pytest.raises(RequestError) as caught:
        Registry([echo]).find(name)
    assert str(caught.value) == f"No compute is named `{name}`."


def test_two_computes_of_one_name_are_refused() -> None:
    with pytest.raises(SettingsError, match="echo"):
        Registry([echo, echo])


def test_a_modules_computes_are_found() -> None:
    assert load_registry(["tests.builders.results"]).find("echo") is echo


def test_a_module_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match="no_such_module"):
        load_registry(["no_such_module"])


def test_a_module_that_declares_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "empty_module", ModuleType("empty_module"))
    with pytest.raises(SettingsError, match="empty_module"):
        load_registry(["empty_module"])


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"text":1}', b"[" * 100_000, b'{"number":1e999}', b"\xff"])
def test_params_that_do_not_fit_are_the_callers_mistake(raw: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        echo.parse_params(raw)
    assert caught.value.code is ErrorCode.INVALID_PARAMS
    assert isinstance(caught.value.__cause__, (msgspec.DecodeError, RecursionError, UnicodeError))
