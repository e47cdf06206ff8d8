"""Settings of the site that `make docs` builds: the repository's own pages, in an order for readers."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]

NAVIGATION = {
    "Start": ["docs/tutorial", "examples/README", "docs/local", "docs/page", "docs/comparison"],
    "Use": [
        "docs/commands",
        "docs/client",
        "docs/browser",
        "docs/react",
        "docs/third-parties",
        "docs/protocol",
        "docs/topics",
        "docs/http",
        "docs/webhooks",
    ],
    "Build computes": ["docs/applications", "docs/computes", "docs/changes", "docs/upgrading"],
    "Operate": [
        "docs/deploy",
        "docs/settings",
        "docs/access",
        "docs/hooks",
        "docs/operation",
        "docs/cost",
        "docs/load",
    ],
    "Understand": ["docs/architecture", "docs/caching", "docs/performance", "docs/clients-conformance"],
    "Decide": ["docs/decisions/README", "CHANGELOG", "CONTRIBUTING", "docs/releasing"],
}
"""Pages by what their readers want to do. A page that is missing here fails the build."""

project = "Pushaside"
extensions = ["myst_parser"]
include_patterns = ["*.md", "docs/**", "examples/README.md", "examples/*/README.md"]
exclude_patterns = [".*", "docs/site"]
root_doc = "README"
myst_heading_anchors = 3

html_theme = "furo"
html_title = project
html_extra_path = ["index.html"]
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
highlight_language = "none"
suppress_warnings = ["misc.highlighting_failure"]  # Pygments does not know all of TSX


def contents(caption: str, *lines: str) -> str:
    """Return a hidden table of contents: it fills the site's navigation and shows nothing on its page."""
    return "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", *lines, "```", ""])


def add_navigation(_: Sphinx, page: str, source: list[str]) -> None:
    """Append the navigation to the pages that lead to others, which stay plain Markdown in the repository."""
    if page == root_doc:
        source[0] += "".join(contents(caption, "", *pages) for caption, pages in NAVIGATION.items())
    if page == "examples/README":
        source[0] += contents("Examples", ":glob:", "", "*/README")
    if page == "docs/decisions/README":
        source[0] += contents("Decisions", ":glob:", "", "*")


def unlink_folders(app: Sphinx, document: nodes.document) -> None:
    """Reduce links to folders of the repository to their text, because the site has no page to link to.

    A link to a file needs no such care: Sphinx copies the file into the site.
    """
    for link in document.findall(pending_xref):
        target = link["reftarget"].partition("#")[0]
        if target and (ROOT / app.env.docname / ".." / target).resolve().is_dir():
            link.replace_self(link.children)


def setup(app: Sphinx) -> None:
    """Connect the functions of this file to the build."""
    app.connect("source-read", add_navigation)
    app.connect("doctree-read", unlink_folders)
