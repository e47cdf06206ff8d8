"""Build a new application and each example for AWS, and import what was built as Lambda would.

For each application the script runs `pushaside build --no-sam`, `sam validate --lint` and `sam build`. Then it imports
the handlers of every function from the built folders, with the layer of the computes beside those that have it, and
loads the application's computes.

All applications are built in one folder, one after the other, because `sam build --cached` recognizes unchanged code by
its path. Pushaside's own code is therefore built once.

    check_applications.py PYTHON    (a Python of the functions' version)
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import yaml
from check_artifact import TemplateLoader, find_compiled, overlay

ROOT = Path.cwd()
OTHERS = (ROOT / "examples", ROOT / "tests" / "applications")
PLACE = ROOT / ".aws-sam" / "applications"
COMMANDS = ROOT / ".venv" / "bin"
NEW = "shop"
STEP_SECONDS = 600.0
FUNCTION = "AWS::Serverless::Function"
CAPABILITIES = {"CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"}
"""The capabilities that CloudFormation wants for a stack with roles and a nested application."""

IMPORT = """
import importlib, json, sys
folders, handlers, modules = json.loads(sys.argv[1])
sys.path[:0] = folders
for handler in handlers:
    module, _, name = handler.rpartition(".")
    assert callable(getattr(importlib.import_module(module), name)), handler
if modules:
    print(*importlib.import_module("push.computes").load_registry(modules).by_name)
"""


def main(python: str) -> None:
    """Build and check every application."""
    for name, source in [(NEW, None), *((folder.name, folder) for folder in find_examples())]:
        folder = put(name, source)
        check_samconfig(name, folder)
        run([COMMANDS / "pushaside", "build", "--no-sam"], folder)
        run(["sam", "validate", "--lint"], folder)
        run(["sam", "build", "--cached", "--parallel"], folder)
        sys.stdout.write(f"{name}: {check_build(python, folder)}\n")


def find_examples() -> list[Path]:
    """Return the folders of the examples, and of the application with everything that one can bring."""
    return sorted(path.parent for folder in OTHERS for path in folder.glob("*/pushaside.toml"))


def put(name: str, source: Path | None) -> Path:
    """Put an application, a new one without `source`, to where all are built; keep what `sam build` cached there."""
    folder, cached = PLACE / "application", PLACE / "cached"
    PLACE.mkdir(parents=True, exist_ok=True)
    if (folder / ".aws-sam").exists():
        shutil.rmtree(cached, ignore_errors=True)
        (folder / ".aws-sam").rename(cached)
    shutil.rmtree(folder, ignore_errors=True)
    if source is None:
        run([COMMANDS / "pushaside", "new", name], PLACE)
        (PLACE / name).rename(folder)
    else:
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("node_modules", "__pycache__", ".*"))
    if cached.exists():
        cached.rename(folder / ".aws-sam")
    return folder


def check_samconfig(name: str, folder: Path) -> None:
    """Check that `sam deploy` asks for what CloudFormation wants.

    Raises:
        SystemExit: samconfig.toml is missing, or lacks a capability.

    """
    path = folder / "samconfig.toml"
    document = tomllib.loads(path.read_text()) if path.exists() else {}
    given = document.get("default", {}).get("deploy", {}).get("parameters", {}).get("capabilities", "")
    if not set(given.split()) >= CAPABILITIES:
        sys.exit(f"{name}/samconfig.toml must name the capabilities {' '.join(sorted(CAPABILITIES))} for `sam deploy`.")


def run(command: list[str | Path], folder: Path) -> str:
    """Run a command and return its output.

    Raises:
        SystemExit: it fails, or exceeds the time limit; the message has its output.

    """
    variables = {**os.environ, "AWS_DEFAULT_REGION": "us-east-1", "SAM_CLI_TELEMETRY": "0"}
    words = " ".join(map(str, command))
    try:
        ended = subprocess.run(  # noqa: S603 - every argument is ours
            command, cwd=folder, env=variables, capture_output=True, text=True, timeout=STEP_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"`{words}` in {folder} did not end within {STEP_SECONDS:g} seconds.")
    if ended.returncode:
        sys.exit(f"`{words}` in {folder} failed with {ended.returncode}.\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def check_build(python: str, folder: Path) -> str:
    """Import all handlers and computes of a built application; return what was found.

    Raises:
        SystemExit: something can't be imported, or the application's topics are missing.

    """
    build = folder / ".aws-sam" / "build"
    application, service = read_template(build / "template.yaml"), read_template(build / "Pushaside" / "template.yaml")
    (layer,) = [build / each["ContentUri"] for each in of_type(application, "AWS::Serverless::LayerVersion")]
    (given,) = [each["Parameters"] for each in of_type(application, "AWS::Serverless::Application")]
    handlers = [each["Handler"] for each in of_type(service, FUNCTION)]
    # Every folder has the same code.
    code = build / "Pushaside" / "ComputeFunction"
    check_topics(folder, code, given)
    computes = load(python, code, layer, (handlers, given["ComputeModules"].split(",")), environment_of(given))
    own = of_type(application, FUNCTION)
    for function in own:
        load(python, build / function["CodeUri"], layer, ([function["Handler"]], []), {})
    return f"{len(handlers) + len(own)} functions and the computes {', '.join(computes)}"


def check_topics(folder: Path, code: Path, given: dict[str, Any]) -> None:
    """Check that the built functions have the application's namespaces of topics.

    Raises:
        SystemExit: they have others.

    """
    declared = tomllib.loads((folder / "pushaside.toml").read_text()).get("topics", [])
    namespaces = json.loads(given.get("Topics") or (code / "topics.json").read_text())
    if not all(topic in namespaces for topic in declared):
        sys.exit(f"The built functions do not have the topics of {folder / 'pushaside.toml'}.")


def environment_of(given: dict[str, Any]) -> dict[str, str]:
    """Return the environment variables of the computes, with `x` for what a deployment adds."""
    value = given.get("ComputeEnvironment", "{}")
    text = value["Fn::Sub"] if isinstance(value, dict) else value
    environment: dict[str, str] = json.loads(re.sub(r"\$\{[^}]*\}", "x", text))
    return environment


def read_template(path: Path) -> dict[str, Any]:
    """Return a built template, without intrinsic functions."""
    document: dict[str, Any] = yaml.load(path.read_text(), TemplateLoader)  # noqa: S506 - derived from SafeLoader
    return document


def of_type(template: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the properties of the resources of a type."""
    return [each["Properties"] for each in template["Resources"].values() if each["Type"] == kind]


def load(
    python: str, code: Path, layer: Path, names: tuple[list[str], list[str]], environment: dict[str, str]
) -> list[str]:
    """Import handlers, and the modules of computes, without site-packages; return the computes' names.

    Raises:
        SystemExit: something can't be imported; stderr says what.

    """
    # Lambda puts layers after the function's own code.
    folders = [*overlay(python, code, find_compiled(code)), str(code), str(layer / "python")]
    # `-I` ignores the variables of Python itself only.
    command = [python, "-I", "-S", "-B", "-c", IMPORT, json.dumps([folders, *names])]
    ended = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    if ended.returncode:
        sys.exit(f"What was built in {code} and {layer} can't be imported.")
    return ended.stdout.split()


if __name__ == "__main__":
    main(sys.argv[1])
