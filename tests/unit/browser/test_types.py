"""The types of the browser client: TypeScript takes a caller's code by them, and the client's own code fits them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.browser.typescript import HERE, ROOT, Compiler

pytestmark = pytest.mark.slow

CLIENT = ROOT / "clients" / "browser"
STRICT = ("--strict", "--exactOptionalPropertyTypes")
CODE = ("--allowJs", "--checkJs", "--strict", "false")
REACT = ("--jsx", "react-jsx")

MATCH = """
import type * as said from "{types}";
import * as code from "./code.js";
declare function same<T>(is: T): void;
declare function made<T>(): T;
{checks}"""


def test_a_callers_code_is_checked_by_the_types(typescript: Compiler) -> None:
    assert typescript.check(*STRICT, HERE / "usage.ts") == ""


def test_the_clients_own_code_is_what_its_types_say(tmp_path: Path, typescript: Compiler) -> None:
    types = CLIENT / "pushaside.d.ts"
    # Beside its types TypeScript would look at those alone.
    code = (CLIENT / "pushaside.js").read_text().replace("./pushaside.d.ts", str(types))
    (tmp_path / "code.js").write_text(code)
    names = re.findall(r"^export (?:class|function) (\w+)", types.read_text(), re.MULTILINE)
    checks = "".join(f"same<typeof said.{name}>(code.{name});\n" for name in names if name.islower())
    checks += "".join(f"same<said.{name}>(made<code.{name}>());\n" for name in names if not name.islower())
    assert checks.count("\n") == len(names) > 0
    (tmp_path / "match.ts").write_text(MATCH.format(types=types, checks=checks))
    assert typescript.check(*CODE, tmp_path / "match.ts") == ""


def test_a_components_code_is_checked_by_the_types_of_the_hooks(application: Path, typescript: Compiler) -> None:
    (application / "usage.tsx").write_text((HERE / "usage.tsx").read_text())
    assert typescript.check(*STRICT, *REACT, application / "usage.tsx") == ""


def test_the_code_of_the_hooks_is_what_its_types_say(application: Path, typescript: Compiler) -> None:
    code = (
        (CLIENT / "react.js").read_text().replace("./react.d.ts", "./said.js").replace("./pushaside.js", "./client.js")
    )
    (application / "code.js").write_text(code)
    (application / "client.js").write_text((CLIENT / "pushaside.js").read_text())
    (application / "react.d.ts").rename(application / "said.d.ts")
    found = re.findall(r"^export function (\w+)", (CLIENT / "react.d.ts").read_text(), re.MULTILINE)
    names = list(dict.fromkeys(found))  # overloads of a function count once
    assert names == ["PushasideProvider", "useClient", "useConnectionState", "useResult", "useTopic"]
    checks = "".join(f"same<typeof said.{name}>(code.{name});\n" for name in names)
    (application / "match.ts").write_text(MATCH.format(types="./said.js", checks=checks))
    assert typescript.check(*CODE, application / "match.ts") == ""


def test_the_components_of_the_documentation_are_checked_by_the_types(application: Path, typescript: Compiler) -> None:
    texts = [(ROOT / "docs" / "react.md").read_text(), (CLIENT / "README.md").read_text()]
    components = [each for text in texts for each in re.findall(r"```tsx\n(.*?)```", text, re.DOTALL)]
    assert len(components) == 6
    paths = [application / f"component_{number}.tsx" for number in range(len(components))]
    for path, component in zip(paths, components, strict=True):
        path.write_text(
            component.replace('"pushaside/react"', '"./react.js"').replace('"pushaside"', '"./pushaside.js"')
        )
    assert typescript.check("--strict", *REACT, *paths) == ""
