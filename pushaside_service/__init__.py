"""The service as data: its template, the code of its functions, the browser client and a new application.

An installed distribution carries them in this package. In a clone of the repository they have folders of their own.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent
_IS_INSTALLED = (_HERE / "template.yaml").is_file()

FOLDER = _HERE if _IS_INSTALLED else _HERE.parent
"""The folder with the template and the code."""

TEMPLATE = FOLDER / "template.yaml"

CODE = FOLDER / "src"
"""The code of every function; `push` is beside it only in a clone, and else a package of its own."""

SKELETON = _HERE / "skeleton"
"""The files of a new application."""

BROWSER_CLIENT = FOLDER / "browser" if _IS_INSTALLED else FOLDER / "clients" / "browser"
"""The folder with the browser client."""
