"""Every block of the pages is a program, a command, what one prints, or data that can be read."""

from __future__ import annotations

import json
import tomllib

import pytest
import yaml

from push.protocol.messages import parse_message
from tests.documentation.asyncapi import CLIENTS, SERVERS, declared_members, fitting, payload_of
from tests.documentation.blocks import Block, blocks, every_block, pages

PROGRAMS = {"python", "js", "html", "sh", "bash", "shell", "console"}
DATA = {"json", "yaml", "toml"}
READERS = {"json": json.loads, "yaml": yaml.safe_load, "toml": tomllib.loads}
ANSWERS = {"http"}
"""Of commands: docs/http.md, by tests/e2e/test_http_page.py."""

TYPE_CHECKED = {"tsx"}
"""Components, which `tests/unit/browser/test_types.py` checks."""

CHANGES = {"diff"}
"""Of files of the tutorial, which `tests/documentation/test_tutorial.py` applies."""

PICTURES = {
    "README.md": ["           request                     hit: result, from memory or Redis"],
    "docs/architecture.md": ["                  WebSocket and HTTP API"],
    "docs/access.md": ["POST /tickets"],
    "docs/caching.md": ["  4.5 s     1 ", " 10.5 s     5 "],
    "docs/webhooks.md": ["POST /requests", "POST /hook"],
}
"""By page, the first lines of what is only looked at: drawings, and HTTP with what does not matter left out."""


def plain(page: str) -> list[Block]:
    return [block for block in every_block("", "text") if block.page == page]


def outputs(page: str) -> set[str]:
    """What stands below programs, commands and other outputs."""
    found = (block.output for path in pages() for block in blocks(path) if block.page == page)
    return {output for output in found if output is not None}


@pytest.mark.parametrize("page", sorted({block.page for block in every_block("", "text")}))
def test_what_has_no_language_is_an_output_a_command_or_a_known_picture(page: str) -> None:
    pictures = PICTURES.get(page, [])
    firsts = {block.text.splitlines()[0]: block for block in plain(page)}
    assert set(pictures) <= firsts.keys()
    # The one block of the README that is neither below a program nor above another output is tested by test_readme.
    others = [
        first
        for first, block in firsts.items()
        if block.text not in outputs(page) and first not in pictures and not first.startswith(("pushaside ", "hit · "))
    ]
    assert others == []


def test_every_language_is_one_that_is_run_or_read() -> None:
    languages = {block.language for page in pages() for block in blocks(page)}
    assert languages - {"", "text"} <= PROGRAMS | DATA | ANSWERS | TYPE_CHECKED | CHANGES


@pytest.mark.parametrize("block", every_block(*DATA), ids=str)
def test_data_can_be_read_and_are_a_message_if_they_look_like_one(block: Block) -> None:
    value = READERS[block.language](block.text)
    if isinstance(value, dict) and value.keys() & {"action", "type"}:
        (name,) = fitting(value, CLIENTS | SERVERS)
        assert value.keys() <= declared_members(payload_of(name))
        if "action" in value and name != "ping":
            assert parse_message(json.dumps(value))
