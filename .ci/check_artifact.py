"""Check the folders that `make build` made: every handler imports, with bytecode, and all is for arm64.

Another processor can't load compiled modules for arm64. On such a machine, the script installs the distributions that
contain one a second time, from the same pinned and hashed requirement file, and puts them before the built folder on
the import path. Everything else, our own code and every pure Python dependency, comes from the built folder, without
site-packages and without environment variables.

`make build` compiles bytecode after `sam build`, which leaves it out. Python does not compare it with its source on
loading, because Lambda does not keep the files' times. This script compares them instead.

    check_artifact.py PYTHON    (a Python of the functions' version)
"""

from __future__ import annotations

import json
import platform
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import yaml

BUILD = Path(".aws-sam/build")
NATIVE = Path(".aws-sam/native")
REQUIREMENTS = Path("src/requirements.txt")
ELF_MACHINE_ARM64 = 183
LIMIT_BYTES = 250 * 1024 * 1024
"""Lambda's quota for an unzipped package ("Lambda quotas", Developer Guide)."""

IMPORT_HANDLER = """
import importlib, importlib.util, json, sys
from pathlib import Path
first, module, name = json.loads(sys.argv[1])
sys.path[:0] = first
assert callable(getattr(importlib.import_module(module), name))
assert importlib.import_module(module).__file__.startswith(first[-1])

UNCHECKED_HASH = (1).to_bytes(4, "little")  # PEP 552
compiled = 0
for loaded in list(sys.modules.values()):
    spec = getattr(loaded, "__spec__", None)
    source = Path(spec.origin or "") if spec else Path()
    if source.suffix != ".py" or not source.is_relative_to(first[-1]):
        continue
    bytecode = Path(spec.cached)
    found = bytecode.read_bytes()[:16] if bytecode.exists() else b""
    if found != importlib.util.MAGIC_NUMBER + UNCHECKED_HASH + importlib.util.source_hash(source.read_bytes()):
        sys.exit(f"{source} has no bytecode of its own beside it.")
    compiled += 1
assert compiled
"""


class TemplateLoader(yaml.SafeLoader):
    """Read a template with None for intrinsic functions, which give no handler and no folder."""


TemplateLoader.add_multi_constructor("!", lambda _loader, _tag, _node: None)


def read_handlers() -> list[tuple[Path, str]]:
    """Return the built folder and the handler of every function."""
    template = yaml.load((BUILD / "template.yaml").read_text(), TemplateLoader)  # noqa: S506 - derived from SafeLoader
    functions = [
        resource["Properties"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Serverless::Function"
    ]
    return [(BUILD / function["CodeUri"], function["Handler"]) for function in functions]


def find_compiled(folder: Path) -> list[Path]:
    """Return the shared objects of a built folder.

    Raises:
        SystemExit: one of them is not for arm64.

    """
    compiled = [path for path in folder.rglob("*.so*") if path.is_file()]
    for path in compiled:
        (machine,) = struct.unpack_from("<H", path.read_bytes(), 18)
        if machine != ELF_MACHINE_ARM64:
            sys.exit(f"{path} is not for arm64 (ELF machine {machine}).")
    return compiled


def install_native(python: str) -> None:
    """Install the pinned requirements for this machine, unless they are installed from the same file."""
    stamp = NATIVE / "requirements.txt"
    if stamp.exists() and stamp.read_bytes() == REQUIREMENTS.read_bytes():
        return
    shutil.rmtree(NATIVE, ignore_errors=True)
    pip = [python, "-I", "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps", "--require-hashes"]
    install = [*pip, "--target", str(NATIVE / "all"), "-r", str(REQUIREMENTS)]
    subprocess.run(install, check=True)  # noqa: S603 - every argument is ours
    stamp.write_bytes(REQUIREMENTS.read_bytes())


def overlay(python: str, folder: Path, compiled: list[Path]) -> list[str]:
    """Return the paths before a built folder on this machine's import path: none on arm64."""
    if platform.machine() in {"aarch64", "arm64"} or not compiled:
        return []
    install_native(python)
    links = NATIVE / "compiled"
    links.mkdir(exist_ok=True)
    for top in {path.relative_to(folder).parts[0] for path in compiled}:
        for native in (NATIVE / "all").glob(top.split(".")[0] + "*"):
            if native.suffix != ".dist-info" and not (links / native.name).is_symlink():
                (links / native.name).symlink_to(native.resolve())
    return [str(links.resolve())]


def import_handler(python: str, folder: Path, first: list[str], handler: str) -> None:
    """Import one handler as Lambda would: no site-packages, nothing from the environment.

    Raises:
        SystemExit: it can't be imported, or a module has no bytecode; stderr says which.

    """
    module, _, name = handler.rpartition(".")
    argument = json.dumps([[*first, str(folder.resolve())], module, name])
    command = [python, "-I", "-S", "-B", "-c", IMPORT_HANDLER, argument]
    if subprocess.run(command, env={}, check=False).returncode:  # noqa: S603 - every argument is ours
        sys.exit(f"{handler} can't be imported from {folder}.")


def main(python: str) -> None:
    """Check every function of the built template."""
    handlers = read_handlers()
    if not handlers:
        sys.exit(f"There is no function in {BUILD / 'template.yaml'}.")
    for folder, handler in handlers:
        compiled = find_compiled(folder)
        import_handler(python, folder, overlay(python, folder, compiled), handler)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        if size > LIMIT_BYTES:
            sys.exit(f"{folder} holds {size} bytes; Lambda takes {LIMIT_BYTES}.")
        sys.stdout.write(f"{handler} imports from {folder} ({size / 1e6:.0f} MB, {len(compiled)} modules for arm64)\n")


if __name__ == "__main__":
    main(sys.argv[1])
