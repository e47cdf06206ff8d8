"""The client as others install it: its wheel, and its editable install beside a clone."""

from __future__ import annotations

import email.message
import email.parser
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
CLIENT = ROOT / "clients" / "python"
MOST_DEPENDENCIES = 4


def run(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=120).stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    source = shutil.copytree(CLIENT, folder / "source", ignore=shutil.ignore_patterns("__pycache__", "build"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    run(sys.executable, "-m", "pip", "wheel", "--quiet", *options, str(source), cwd=folder)
    return zipfile.ZipFile(next(folder.glob("pushaside-*.whl")))


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> email.message.Message:
    name = next(each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
    return email.parser.Parser().parsestr(wheel.read(name).decode())


def test_the_wheel_has_the_licence(wheel: zipfile.ZipFile) -> None:
    name = next(each for each in wheel.namelist() if each.endswith("/LICENSE"))
    assert wheel.read(name) == (ROOT / "LICENSE").read_bytes()


def test_the_wheel_describes_itself(metadata: email.message.Message) -> None:
    assert metadata["Summary"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().startswith("# Pushaside for Python")


def test_the_wheel_has_few_direct_dependencies(metadata: email.message.Message) -> None:
    named = [Requirement(each) for each in metadata.get_all("Requires-Dist")]
    assert len([each for each in named if each.marker is None]) <= MOST_DEPENDENCIES


def test_the_wheel_has_every_module_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    modules = {str(path.relative_to(CLIENT)) for path in (CLIENT / "pushaside").rglob("*.py")}
    assert {name for name in wheel.namelist() if ".dist-info/" not in name} == {
        *modules,
        "pushaside/py.typed",
        "pushaside_command.py",
    }


def test_a_script_beside_a_clone_imports_the_client(tmp_path: Path) -> None:
    (tmp_path / "pushaside").mkdir()
    (tmp_path / "example.py").write_text("import pushaside; print(pushaside.connect)")

    assert re.match("<function connect ", run(sys.executable, "example.py", cwd=tmp_path))
