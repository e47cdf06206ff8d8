"""The browser client's own tests, run by Node: a scripted service, sockets of its own, a clock that stands still."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

from tests.patience import PATIENCE_SECONDS

HERE = Path(__file__).parent
CLIENT = HERE.parents[2] / "clients" / "browser"
OLDEST_NODE = 20


def skip(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def find_node() -> str:
    node = shutil.which("node")
    if node is None:
        skip("node is not installed")
    version = subprocess.run(
        [node, "--version"], capture_output=True, text=True, check=True, timeout=PATIENCE_SECONDS
    ).stdout
    if int(version.lstrip("v").split(".")[0]) < OLDEST_NODE:
        skip(f"node {version.strip()} is older than {OLDEST_NODE}")
    return node


@pytest.mark.parametrize("script", sorted(HERE.glob("*.test.mjs")), ids=lambda script: script.name)
def test_behaves_as_its_tests_say(script: Path) -> None:
    arguments = [find_node(), "--test", "--test-reporter=spec", "--test-timeout=60000", str(script)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"pass [1-9]", done.stdout), done.stdout


def test_needs_nothing_and_its_types_name_all_that_it_exports() -> None:
    code, types = (CLIENT / "pushaside.js").read_text(), (CLIENT / "pushaside.d.ts").read_text()
    assert not re.search(r"^\s*import\b|\brequire\(", code, re.MULTILINE)
    exported = re.compile(r"^export (?:async )?(?:class|function\*?) (\w+)", re.MULTILINE)
    names = {"Client", "HttpClient", "PushasideError", "Subscription", "connect", "connections"}
    assert set(exported.findall(code)) == names
    assert set(exported.findall(types)) == set(exported.findall(code))


def test_its_settings_are_all_typed_and_documented() -> None:
    code, types = (CLIENT / "pushaside.js").read_text(), (CLIENT / "pushaside.d.ts").read_text()
    documented = (HERE.parents[2] / "docs" / "browser.md").read_text()
    names = re.findall(r"^  (\w+):", code.split("const DEFAULTS", 1)[1].split("});", 1)[0], re.MULTILINE)
    assert names
    for name in names:
        assert f"  {name}?: number;" in types
        assert f"`{name}`" in documented


def test_its_package_has_its_files_a_description_and_the_license() -> None:
    package = json.loads((CLIENT / "package.json").read_text())
    modules = {"pushaside.js", "pushaside.d.ts", "react.js", "react.d.ts"}
    assert set(package["files"]) == {*modules, "README.md", "LICENSE"}
    assert all((CLIENT / name).is_file() for name in package["files"])
    assert (CLIENT / "LICENSE").read_text() == (HERE.parents[2] / "LICENSE").read_text()
    assert package["license"] == "Apache-2.0"
    assert package["description"]


def test_the_hooks_need_react_and_the_client_and_their_types_name_all_that_they_export() -> None:
    code, types = (CLIENT / "react.js").read_text(), (CLIENT / "react.d.ts").read_text()
    assert re.findall(r"from \"([^\"]+)\";", code) == ["react", "./pushaside.js"]
    exported = re.compile(r"^export function (\w+)", re.MULTILINE)
    # The types declare the overloads of a function one by one.
    assert exported.findall(code) == list(dict.fromkeys(exported.findall(types)))


def test_who_does_not_use_the_hooks_does_not_need_react() -> None:
    package = json.loads((CLIENT / "package.json").read_text())
    assert package["peerDependencies"].keys() == package["peerDependenciesMeta"].keys() == {"react"}
    assert package["peerDependenciesMeta"]["react"] == {"optional": True}
    assert "dependencies" not in package
    assert package["exports"]["./react"] == {"types": "./react.d.ts", "default": "./react.js"}
