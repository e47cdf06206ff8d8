"""The types of the browser client: TypeScript takes a caller's code by them, and the client's own code fits them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CLIENT = ROOT / "clients" / "browser"
PACKAGES = ROOT / "tests" / "node" / "node_modules"
COMPILER = PACKAGES / "typescript" / "bin" / "tsc"
OPTIONS = ("--noEmit", "--target", "es2024", "--lib", "es2024,dom,dom.asynciterable", "--module", "esnext")
RESOLVING = ("--moduleResolution", "bundler", "--skipLibCheck", "false", "--ignoreConfig")

MATCH = """
import type * as said from "{types}";
import * as code from "./code.js";
declare function same<T>(is: T): void;
declare function made<T>(): T;
{checks}"""


def check_types(*arguments: str) -> subprocess.CompletedProcess[str]:
    node = shutil.which("node")
    if node is None or not COMPILER.exists():
        reason = "TypeScript is not installed: npm ci --ignore-scripts in tests/node, with Node from version 20"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    command = [node, str(COMPILER), *OPTIONS, *RESOLVING, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)


def test_a_callers_code_is_checked_by_the_types() -> None:
    done = check_types("--strict", "--exactOptionalPropertyTypes", str(HERE / "usage.ts"))
    assert done.returncode == 0, done.stdout


def test_the_clients_own_code_is_what_its_types_say(tmp_path: Path) -> None:
    types = CLIENT / "pushaside.d.ts"
    # Beside its types TypeScript would look at those alone.
    code = (CLIENT / "pushaside.js").read_text().replace("./pushaside.d.ts", str(types))
    (tmp_path / "code.js").write_text(code)
    names = re.findall(r"^export (?:class|function) (\w+)", types.read_text(), re.MULTILINE)
    checks = "".join(f"same<typeof said.{name}>(code.{name});\n" for name in names if name.islower())
    checks += "".join(f"same<said.{name}>(made<code.{name}>());\n" for name in names if not name.islower())
    assert checks.count("\n") == len(names) > 0
    (tmp_path / "match.ts").write_text(MATCH.format(types=types, checks=checks))
    done = check_types("--allowJs", "--checkJs", "--strict", "false", str(tmp_path / "match.ts"))
    assert done.returncode == 0, done.stdout


@pytest.fixture
def application(tmp_path: Path) -> Path:
    """A folder of somebody who has installed React, with the client's types in it."""
    for name in ("pushaside.d.ts", "react.d.ts"):
        (tmp_path / name).write_text((CLIENT / name).read_text())
    (tmp_path / "node_modules").symlink_to(PACKAGES)
    return tmp_path


def test_a_components_code_is_checked_by_the_types_of_the_hooks(application: Path) -> None:
    (application / "usage.tsx").write_text((HERE / "usage.tsx").read_text())
    done = check_types("--strict", "--exactOptionalPropertyTypes", "--jsx", "react-jsx", str(application / "usage.tsx"))
    assert done.returncode == 0, done.stdout


def test_the_code_of_the_hooks_is_what_its_types_say(application: Path) -> None:
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
    done = check_types("--allowJs", "--checkJs", "--strict", "false", str(application / "match.ts"))
    assert done.returncode == 0, done.stdout


def test_the_components_of_the_documentation_are_checked_by_the_types(application: Path) -> None:
    texts = [(ROOT / "docs" / "react.md").read_text(), (CLIENT / "README.md").read_text()]
    components = [each for text in texts for each in re.findall(r"```tsx\n(.*?)```", text, re.DOTALL)]
    assert len(components) == 6
    paths = [application / f"component_{number}.tsx" for number in range(len(components))]
    for path, component in zip(paths, components, strict=True):
        path.write_text(
            component.replace('"pushaside/react"', '"./react.js"').replace('"pushaside"', '"./pushaside.js"')
        )
    done = check_types("--strict", "--jsx", "react-jsx", *map(str, paths))
    assert done.returncode == 0, done.stdout
