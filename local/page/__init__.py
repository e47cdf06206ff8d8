"""The page that the runtime serves at `/`."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files


def read_page(stage: str) -> Callable[[], tuple[int, str, bytes]]:
    """Return the maker of the page for a WebSocket API whose stage is `stage`."""
    html = files(__package__).joinpath("index.html").read_text().replace("{{stage}}", stage).encode()
    return lambda: (200, "text/html; charset=utf-8", html)
