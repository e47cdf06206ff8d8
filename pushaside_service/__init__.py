"""The service as data: its template, the code of its functions, the browser client, a new application and examples.

An installed distribution carries them in this package. In a clone of the repository they have folders of their own.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent
_IS_INSTALLED = (_HERE / "template.yaml").is_file()

FOLDER = _HERE if _IS_INSTALLED else _HERE.parent
"""The folder with the template and the code."""

TEMPLATE = FOLDER / "template.yaml"

OPENAPI = (FOLDER if _IS_INSTALLED else FOLDER / "docs") / "openapi.yaml"
"""The description of the HTTP API, which knows no computes."""

CODE = FOLDER / "src"
"""The code of every function; `push` is beside it only in a clone, and else a package of its own."""

SKELETON = _HERE / "skeleton"
"""The files of a new application."""

EXAMPLES = FOLDER / "examples"
"""The folders of whole applications that `pushaside new --template` copies."""

BROWSER_CLIENT = FOLDER / "browser" if _IS_INSTALLED else FOLDER / "clients" / "browser"
"""The folder with the browser client."""
