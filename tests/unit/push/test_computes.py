"""Computes: declared, found by the name of their module, and refused with what is wrong."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
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


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Make a package of computes of a name of its own, from the text of its modules."""
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"computes_{uuid.uuid4().hex}"

    def make(**modules: str) -> str:
        for path, text in {"__init__": "", **modules}.items():
            file = tmp_path / name / f"{path.replace('__in__', '/')}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return name

    yield make
    for module in [each for each in sys.modules if each.partition(".")[0] == name]:
        del sys.modules[module]


IMPORT = "from push import compute\n"
ONE = f"{IMPORT}@compute\nasync def one(number: int) -> int:\n    return number\n"
TWO = ONE.replace("one(", "two(")


def test_a_packages_modules_are_all_on_offer_and_need_not_declare_computes(package: Callable[..., str]) -> None:
    name = package(orders=ONE, prices__in__all=TWO, prices__in____init__="", texts="GREETING = 1\n")
    assert set(load_registry([name]).by_name) == {"one", "two"}


def test_a_compute_that_another_module_imports_counts_once(package: Callable[..., str]) -> None:
    name = package(orders=ONE, both="")
    Path(sys.path[0], name, "both.py").write_text(f"from {name}.orders import one\n")
    assert set(load_registry([name, f"{name}.orders"]).by_name) == {"one"}


def test_two_computes_of_one_name_are_refused_with_both_places(package: Callable[..., str]) -> None:
    name = package(a=ONE, b=ONE)
    with pytest.raises(
        SettingsError, match=rf"Two computes are named 'one': .*{name}/a.py:2: .*{name}/b.py:2: .*`name=`"
    ):
        load_registry([name])


def test_a_package_without_computes_is_named(package: Callable[..., str]) -> None:
    name = package(texts="GREETING = 1\n")
    with pytest.raises(SettingsError, match=f"{name}.* declares no compute. Decorate one"):
        load_registry([name])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("def broken(:\n", r"/bad.py:1: invalid syntax"),
        ("\n\nimport no_such_package\n", r"/bad.py:3: .*ModuleNotFoundError: No module named 'no_such_package'"),
        ("A = 1\nB = A / 0\n", r"/bad.py:2: .*ZeroDivisionError: division by zero"),
        (f"{IMPORT}\n@compute\nasync def bad(thing): ...\n", r"/bad.py:3: `bad`: the parameter `thing` has no type"),
    ],
)
def test_a_module_that_can_not_be_imported_is_one_sentence_with_file_and_line(
    package: Callable[..., str], text: str, sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence) as caught:
        load_registry([package(good=ONE, bad=text)])
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"text":1}', b"[" * 100_000, b'{"number":1e999}', b"\xff"])
def test_params_that_do_not_fit_are_the_callers_mistake(raw: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        echo.parse_params(raw)
    assert caught.value.code is ErrorCode.INVALID_PARAMS
    assert isinstance(caught.value.__cause__, (msgspec.DecodeError, RecursionError, UnicodeError))
