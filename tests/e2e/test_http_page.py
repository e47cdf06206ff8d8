"""docs/http.md: each command as it stands there, and what it prints."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from push.protocol.problems import STATUSES
from tests.e2e.conftest import ROOT, Stack, running
from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs/http.md").read_text()
EXAMPLES = re.findall(r"^```sh\n(curl .*?)\n```\n\n```http\n(.*?)\n```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """One of its own: what was asked before must not be in its cache."""
    with running(tmp_path_factory.mktemp("http")) as started:
        yield started


def parsed(response: str) -> tuple[str, list[str], Any]:
    """Return the status line, the names of the headers, and the body."""
    head, _, body = response.replace("\r\n", "\n").partition("\n\n")
    status, *headers = head.split("\n")
    names = [line.partition(":")[0] for line in headers]
    return status, [name for name in names if name.islower()], json.loads(body) if body.strip() else None


def shape(document: Any) -> Any:
    """Return a document's members without their values."""
    if isinstance(document, dict):
        return {name: shape(value) for name, value in document.items()}
    return [shape(value) for value in document] if isinstance(document, list) else type(document)


def test_every_command_prints_what_the_page_says(stack: Stack) -> None:
    assert len(EXAMPLES) == 10
    for command, shown in EXAMPLES:
        command = command.replace("http://127.0.0.1:8080/", stack.http)
        done = subprocess.run(
            ["bash", "-c", f"{command} -s"], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True
        )
        status, names, body = parsed(done.stdout)
        shown_status, shown_names, shown_body = parsed(shown)
        assert status == shown_status, command
        assert sorted(names) == sorted(shown_names), command
        assert shape(body) == shape(shown_body), command


def test_the_page_has_every_status_of_every_code() -> None:
    rows = {int(status): row for status, row in re.findall(r"^\| (4\d\d|5\d\d) \|(.*)\|$", PAGE, re.MULTILINE)}
    unused = {"unknown_action", "rate_limited", "timeout"}
    for code, status in STATUSES.items():
        assert code.value in unused or f"`{code.value}`" in rows[status.value], code
