"""Every page: it is in the site's navigation, its links and the files it names exist, and its prose wraps."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.documentation.blocks import ROOT

COLUMNS = 100
READMES = [*(ROOT / "clients").glob("*/README.md"), *(ROOT / "examples").rglob("README.md")]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *READMES])
EXAMPLES = ROOT / "examples" / "README.md"
SITE_PAGES = [page for page in PAGES if page.is_relative_to(ROOT / "docs") or page.parent == ROOT or page == EXAMPLES]
FENCED = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
FILE = re.compile(r"`([\w./-]+/[\w.-]+\.(?:py|lua|json|yaml|toml|js|ts|mjs|md))`")
FILES_UNDER = ("", "src", "docs")


def relative(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> str:
    """Return a page without its fenced blocks, line by line as it was."""
    return FENCED.sub(lambda found: "\n" * found[0].count("\n"), page.read_text())


@cache
def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, made as the repository's host and the site make them."""
    titles = (re.sub(r"\[(.*?)\]\(.*?\)", r"\1", found).lower() for found in HEADING.findall(prose(page)))
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


def navigation() -> list[str]:
    """Return the pages that the site's settings name, which need Sphinx and are therefore only parsed."""
    for node in ast.parse((ROOT / "docs/site/conf.py").read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NAVIGATION":
            return [page for pages in ast.literal_eval(node.value).values() for page in pages]
    raise AssertionError("docs/site/conf.py has no navigation")


def test_the_navigation_leads_to_every_page_once() -> None:
    named = navigation()
    pages = {relative(page).removesuffix(".md") for page in SITE_PAGES}
    decisions = {page for page in pages if page.startswith("docs/decisions/")} - {"docs/decisions/README"}
    assert len(named) == len(set(named))
    assert set(named) == pages - {"README"} - decisions


def test_the_decisions_are_listed_on_their_page() -> None:
    page = ROOT / "docs/decisions/README.md"
    assert sorted(LINK.findall(page.read_text())) == sorted(
        {each.name for each in page.parent.glob("*.md")} - {page.name}
    )


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_link_leads_to_a_file_or_folder_and_to_an_anchor(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        assert not anchor or anchor in anchors(path), link


@pytest.mark.parametrize("page", SITE_PAGES, ids=relative)
def test_every_file_of_the_project_that_a_page_names_exists(page: Path) -> None:
    lacking = [
        file for file in FILE.findall(prose(page)) if not any((ROOT / folder / file).exists() for folder in FILES_UNDER)
    ]
    assert lacking == []


@pytest.mark.parametrize("page", SITE_PAGES, ids=relative)
def test_prose_wraps(page: Path) -> None:
    too_long = [
        line
        for line in prose(page).splitlines()
        if len(line) > COLUMNS and not line.startswith(("|", "    ")) and not re.fullmatch(r"\W*\[.*\]\(\S+\)\W*", line)
    ]
    assert too_long == []
