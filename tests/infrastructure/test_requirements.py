"""The requirement files: whole, pinned, hashed, and without the address of any registry."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PINNED = (
    "requirements/run.txt",
    "requirements/dev.txt",
    "requirements/build.txt",
    "requirements/docs.txt",
    "src/requirements.txt",
)


def entries(path: Path) -> list[str]:
    """The requirements of a pinned file, one a string, with their hashes."""
    text = re.sub(r"^\s*#.*$", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip()]


def pins(path: Path) -> dict[str, set[str]]:
    """Versions by name; a file that fits several versions of Python may hold several."""
    found: dict[str, set[str]] = {}
    for entry in entries(path):
        requirement = Requirement(entry.partition(" --hash")[0])
        found.setdefault(canonicalize_name(requirement.name), set()).add(str(requirement.specifier))
    return found


@pytest.mark.parametrize("name", PINNED)
def test_every_requirement_is_pinned_and_hashed(name: str) -> None:
    found = entries(ROOT / name)
    assert found
    for entry in found:
        assert re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", entry), entry


@pytest.mark.parametrize(
    "path", [*ROOT.glob("requirements/*"), *ROOT.glob("src/requirements.*")], ids=lambda path: path.name
)
def test_no_file_names_where_packages_come_from(path: Path) -> None:
    assert not re.search(r"://|--(extra-)?index-url|--find-links|--trusted-host", path.read_text())


@pytest.mark.parametrize("folder", ["local/page", "tests/node", "benchmarks/peers"])
def test_no_lock_of_npms_holds_an_address_and_each_names_its_packages_by_hash(folder: str) -> None:
    lock = (ROOT / folder / "package-lock.json").read_text()
    assert "://" not in lock
    packages = {name: package for name, package in json.loads(lock)["packages"].items() if name}
    assert packages
    assert all(package["integrity"].startswith("sha") for package in packages.values())


@pytest.mark.parametrize("name", ["requirements/run.txt", "src/requirements.txt"])
def test_tests_run_with_the_very_versions_that_run_and_ship(name: str) -> None:
    tested = pins(ROOT / "requirements/dev.txt")
    for package, versions in pins(ROOT / name).items():
        assert versions <= tested[package], package


@pytest.mark.parametrize(
    "name", ["requirements/run.in", "requirements/dev.in", "requirements/docs.in", "src/requirements.in"]
)
def test_every_direct_requirement_is_among_the_pinned_ones(name: str) -> None:
    pinned = pins((ROOT / name).with_suffix(".txt"))
    for line in (ROOT / name).read_text().splitlines():
        wanted = line.partition("#")[0].strip()
        if wanted and not wanted.startswith("-r"):
            assert canonicalize_name(Requirement(wanted).name) in pinned
