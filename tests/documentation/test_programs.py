"""Every program in the pages runs as it is printed, and prints what stands below it."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass

import pytest

from tests.documentation.blocks import ROOT, Block, every_block
from tests.documentation.reader import NODE_MODULES, Reader, steady
from tests.third_parties.conftest import missing

pytestmark = pytest.mark.slow

TESTED_ELSEWHERE = {
    ("docs/computes.md", "# "): "tests/unit/compute/test_documented_compute.py",
    ("docs/tutorial.md", ""): "tests/documentation/test_tutorial.py",
    ("docs/third-parties.md", ""): "tests/third_parties/test_page.py",
    ("docs/react.md", '<script type="importmap">'): "tests/browser/test_react_on_the_stack.py",
}
"""By page and beginning: what another test runs, and which."""

NOT_RUN = {
    (
        "clients/browser/README.md",
        '<script type="module">\n  import { connect } from "https://',
    ): "loads the module from a CDN",
    ("docs/webhooks.md", "from standardwebhooks import Webhook"): "a line of a receiver, with a secret left out",
}
"""By page and beginning: what is run by nothing, and why."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a part of a program takes to be there: what comes before it, and what it prints when it has done its work.

    `until` is for parts that go on for ever. Parts that end by themselves need no more than that they end well.
    """

    before: str = ""
    after: str = ""
    until: str = ""


CLIENT = (
    'import { connect, PushasideError } from "./pushaside.js";\nconst client = await connect(process.env.STACK_URL);\n'
)

SURROUNDINGS = {
    '<script type="module">\n  import { connect, PushasideError }': Surroundings(after="client.close();"),
    "for await (const each of client.stream(": Surroundings(CLIENT, "client.close();"),
    "const board = client.subscribe(": Surroundings(
        f"{CLIENT}const isOver = true;\nconst draw = (rows) => console.log(rows.length);", "client.close();"
    ),
    'const news = client.subscribe("demo:news");': Surroundings(CLIENT, until="demo:news"),
    'client.addEventListener("statechange"': Surroundings(
        f"{CLIENT}const light = {{ setAttribute: console.log }};", "client.close();"
    ),
    'import { connections } from "./pushaside.js";': Surroundings(
        'const light = { set hidden(is) { console.log("hidden:", is); } };', until="hidden: false"
    ),
    "const client = await connect(async () => {": Surroundings(
        """import { connect, PushasideError } from "./pushaside.js";
const token = "none is asked for";
const { fetch: fetchWhole } = globalThis;
globalThis.fetch = (path, options) => fetchWhole(new URL(path, process.env.STACK_HTTP_URL), options);""",
        'await client.publish("demo:news", {});\nclient.close();',
    ),
    'import { HttpClient } from "./pushaside.js";': Surroundings("const localStorage = { setItem() {} };"),
    'import { connect } from "./pushaside.js";': Surroundings(until="hello"),
}
"""By the beginning of a part."""

NODE = """import * as ws from "ws";
globalThis.WebSocket ??= ws.WebSocket;
"""


def listed(block: Block, table: dict[tuple[str, str], str]) -> str | None:
    found = (what for (page, text), what in table.items() if block.page == page and block.text.startswith(text))
    return next(found, None)


def ours(*languages: str) -> list[Block]:
    return [
        each for each in every_block(*languages) if not listed(each, TESTED_ELSEWHERE) and not listed(each, NOT_RUN)
    ]


def surroundings(block: Block) -> Surroundings:
    return next((each for text, each in SURROUNDINGS.items() if block.text.startswith(text)), Surroundings())


def check(reader: Reader, block: Block, *command: str) -> None:
    until = surroundings(block).until
    if until:
        with reader.traffic():
            ended = reader.run(*command, until=until)
    else:
        ended = reader.run(*command)
    assert ended.code in ({None} if until else {0}), ended.errors or ended.output
    assert ended.errors == ""
    if block.output is not None:
        assert steady(ended.output) == steady(block.output)


@pytest.mark.parametrize("block", ours("python"), ids=str)
def test_python(block: Block, reader: Reader) -> None:
    check(reader, block, sys.executable, "-c", reader.at(block.text))


@pytest.mark.parametrize("block", ours("js", "html"), ids=str)
def test_javascript(block: Block, reader: Reader) -> None:
    if not (NODE_MODULES / "ws").exists():
        missing("The npm package ws is not installed: npm ci --ignore-scripts, in tests/node.")
    around = surroundings(block)
    scripts = re.findall(r"<script type=\"module\">(.*?)</script>", block.text, re.DOTALL)
    parts = (around.before, *(scripts if block.language == "html" else [block.text]), around.after)
    (reader.folder / "surroundings.mjs").write_text(NODE)
    (reader.folder / "part.mjs").write_text(reader.at("\n".join(parts)))
    check(reader, block, "node", "--import", "./surroundings.mjs", "part.mjs")


def test_what_is_listed_is_there_and_what_is_tested_elsewhere_is_tested_there() -> None:
    programs = every_block("python", "js", "html")
    for page, text in (*TESTED_ELSEWHERE, *NOT_RUN):
        assert any(block.page == page and block.text.startswith(text) for block in programs), (page, text)
    for text in SURROUNDINGS:
        assert any(block.text.startswith(text) for block in programs), text
    for (page, _), test in TESTED_ELSEWHERE.items():
        assert page.rpartition("/")[2] in (ROOT / test).read_text()
