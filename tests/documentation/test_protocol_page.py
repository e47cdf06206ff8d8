"""docs/protocol.md: its messages are those of docs/asyncapi.yaml, and it shows each of them."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from push.errors import CODES
from push.protocol.messages import parse_message
from tests.documentation.asyncapi import CLIENTS, SERVERS, declared_members, fitting, payload_of
from tests.documentation.blocks import ROOT, indented_lines

PAGES = [ROOT / "docs/protocol.md", ROOT / "docs/topics.md"]
DIGITS = {"etag": 24, "base": 24, "digest": 24}
KEY_DIGITS = 32


def whole(text: str) -> str:
    """Fill in what a page leaves out: digits of keys and etags, and what is in a list or an object."""
    for member, count in DIGITS.items():
        text = re.sub(rf'("{member}": *")(\w+)\.\.\."', lambda found, n=count: f'{found[1]}{found[2]:0<{n}}"', text)
    text = re.sub(r'(@\d+:)(\w+)\.\.\."', lambda found: f'{found[1]}{found[2]:0<{KEY_DIGITS}}"', text)
    return text.replace("[...]", "[]").replace("{...}", "{}").replace('..."', '"').replace('""', '"..."')


MESSAGES: list[tuple[str, str]] = [
    (f"{page.name}:{number}", whole(text))
    for page in PAGES
    for number, line in indented_lines(page)
    for text in line.split(" -> ")
    if text.strip().startswith("{") and not line.startswith(("GET", "POST"))
]


@pytest.mark.parametrize("text", [text for _, text in MESSAGES], ids=[place for place, _ in MESSAGES])
def test_what_it_shows_is_one_message_without_anything_else(text: str) -> None:
    message: dict[str, Any] = json.loads(text)
    (name,) = fitting(message, CLIENTS | SERVERS)
    assert message.keys() <= declared_members(payload_of(name))
    assert name in {"gatewayError", message.get("action"), message.get("type")}
    if name in CLIENTS - {"ping"}:
        assert parse_message(text)


def test_it_shows_every_message() -> None:
    shown = {name for _, text in MESSAGES for name in fitting(json.loads(text), CLIENTS | SERVERS)}
    assert shown == CLIENTS | SERVERS


def test_it_names_every_member_of_every_message() -> None:
    page = PAGES[0].read_text()
    members = {member for name in CLIENTS | SERVERS for member in declared_members(payload_of(name))}
    assert {member for member in members if not re.search(rf'[`"]{member}[`"]', page)} == set()


def test_it_has_every_error_code_with_its_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (yes|no) \|$", PAGES[0].read_text(), re.MULTILINE)
    assert {code: (sentence, retryable) for code, sentence, retryable in rows} == {
        code.value: (meaning.sentence, "yes" if meaning.retryable else "no") for code, meaning in CODES.items()
    }
