"""The refusals of an application's demonstration data. The dashboard among the examples stores some."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.application.declaration import Application, Declaration
from local.application.demo_data import store_demo_data
from local.errors import CannotStartError

NOWHERE = "http://127.0.0.1:1"


def application(folder: Path, text: str | None = None) -> Application:
    if text is not None:
        (folder / "demo.json").write_text(text)
    return Application(folder, Declaration(name="shop", demo="demo.json"))


def test_an_application_without_a_file_stores_nothing(tmp_path: Path) -> None:
    store_demo_data(Application(tmp_path, Declaration(name="shop")), {}, NOWHERE)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotStartError, match=r"pushaside\.toml names .*demo\.json, which cannot be read"):
        store_demo_data(application(tmp_path), {}, NOWHERE)


@pytest.mark.parametrize("text", ["[]", '{"Orders": 1}', '{"Orders": [1]}', "{"])
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(CannotStartError, match=r"demo\.json is not a JSON object of rows by table"):
        store_demo_data(application(tmp_path, text), {"Orders": "orders-1"}, NOWHERE)


@pytest.mark.parametrize("text", ['{"Reports": []}', '{"Reports": {}}'])
def test_data_of_an_undeclared_source_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(CannotStartError, match=r"has data of Reports, which template\.yaml does not declare"):
        store_demo_data(application(tmp_path, text), {"Orders": "orders-1"}, NOWHERE)
