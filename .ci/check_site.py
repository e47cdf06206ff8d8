"""Check the site that `make docs` built: links and anchors lead somewhere, and nothing is loaded from elsewhere."""

from __future__ import annotations

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

SITE = Path(sys.argv[1]).resolve()
LOADED = {"img": "src", "link": "href", "script": "src"}
"""Elements that make a browser load a file, and the attribute that names it."""

REFERENCES_WITHOUT_FILE = {"canonical"}


class Page(HTMLParser):
    """The links, the loaded files and the anchors of one page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what one element links to, loads and is called."""
        attributes = {name: value or "" for name, value in attrs}
        self.anchors.add(attributes.get("id", ""))
        if tag == "a" and "href" in attributes:
            self.links.append(attributes["href"])
        if tag in LOADED and LOADED[tag] in attributes and attributes.get("rel") not in REFERENCES_WITHOUT_FILE:
            self.loaded.append(attributes[LOADED[tag]])


@cache
def read(path: Path) -> Page:
    """Return one page of the site, parsed."""
    return Page(path.read_text())


def faults_of_link(page: Path, link: str) -> list[str]:
    """Return what is wrong with one link. Links to other sites are not fetched."""
    parts = urlsplit(link)
    if parts.scheme:
        return []
    target = page.parent / unquote(parts.path) if parts.path else page
    if not target.is_file():
        return [f"{page.relative_to(SITE)}: {link} leads nowhere"]
    if target.suffix == ".html" and unquote(parts.fragment) not in read(target).anchors:
        return [f"{page.relative_to(SITE)}: {link} names no anchor"]
    return []


def faults_of_page(page: Path) -> list[str]:
    """Return what is wrong with one page."""
    parsed = read(page)
    found = [fault for link in {*parsed.links, *parsed.loaded} for fault in faults_of_link(page, link)]
    return found + [
        f"{page.relative_to(SITE)}: {loaded} comes from another site"
        for loaded in parsed.loaded
        if urlsplit(loaded).netloc
    ]


def main() -> None:
    """Check every page; print the faults and exit with 1 if there are any."""
    pages = sorted(SITE.rglob("*.html"))
    faults = [fault for page in pages for fault in faults_of_page(page)]
    print(*faults, sep="\n", end="\n" if faults else "")
    if faults or not pages or not (SITE / "searchindex.js").is_file():
        sys.exit(1)
    print(f"{len(pages)} pages in {SITE}/index.html")


if __name__ == "__main__":
    main()
