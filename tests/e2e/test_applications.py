"""The commands of docs/applications.md, by the wheels and outside the repository: new, pytest, local, reload."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from local.application.new_command import templates
from tests.patience import PATIENCE_SECONDS
from tests.unit.compute.test_documented_compute import shown_files

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROJECTS = (ROOT, ROOT / "clients" / "python", ROOT / "clients" / "tools")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheels, and with other people's packages from the tests' environment."""
    folder = tmp_path_factory.mktemp("installed")
    wheels, made = folder / "wheels", folder / "env"
    for project in PROJECTS:
        shutil.rmtree(project / "build" / "lib", ignore_errors=True)  # may hold files that are gone
        pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", wheels, project)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", made], check=True, timeout=PATIENCE_SECONDS)
    pip("--python", made / "bin" / "python", "install", "--no-deps", "--no-index", *wheels.glob("*.whl"))
    packages = made / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
    # A path in such a file brings the packages of that folder, but not its editable installs.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    return made


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, timeout=PATIENCE_SECONDS)


@pytest.fixture(scope="module")
def shop(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    ended = run(environment, "pushaside", "new", "shop", folder=folder)
    assert ended.returncode == 0, ended.stderr
    return folder / "shop"


def run(environment: Path, program: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [environment / "bin" / program, *arguments],
        cwd=folder,
        env=variables(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def variables() -> dict[str, str]:
    """Leave out what would lead to the repository or to an account."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHONPATH"))}


@contextmanager
def running(environment: Path, shop: Path, *options: str) -> Iterator[dict[str, Any]]:
    """Run the application on a free port."""
    ready_file, log = shop.parent / "ready.json", shop.parent / "log"
    command = [environment / "bin" / "pushaside", "local", *options, "--port", "0", "--ready-file", ready_file]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=shop, stdout=output, stderr=output, env=variables())
    try:
        until(lambda: ready_file.exists() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield {**json.loads(ready_file.read_text()), "log": log}
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def until(happened: Any) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_is_installed_is_not_the_repository(environment: Path, tmp_path: Path) -> None:
    names = ("local", "push", "pushaside", "pushaside_service", "pushaside_tools")
    code = f"import {', '.join(names)}\nprint(*(module.__file__ for module in ({', '.join(names)})))"
    files = run(environment, "python", "-c", code, folder=tmp_path).stdout.split()
    assert len(files) == len(names)
    assert all(Path(file).is_relative_to(environment) for file in files)


def test_the_service_and_the_page_are_in_the_wheel(environment: Path, tmp_path: Path) -> None:
    code = """
from local.page.assets import FILES
from pushaside_service import CODE, OPENAPI, TEMPLATE
files = (TEMPLATE, OPENAPI, CODE / "topics.json", *(path for path, _ in FILES.values()))
print(*(path for path in files if not path.is_file()))
"""
    ended = run(environment, "python", "-c", code, folder=tmp_path)
    assert (ended.returncode, ended.stdout.strip()) == (0, ""), ended.stderr


def test_every_example_is_in_the_wheel_and_can_be_copied(environment: Path, tmp_path: Path) -> None:
    for template in templates():
        ended = run(environment, "pushaside", "new", template, "--template", template, folder=tmp_path)
        assert ended.returncode == 0, ended.stderr
        copied = {path.relative_to(tmp_path).as_posix() for path in tmp_path.joinpath(template).rglob("*.*")}
        tracked = {
            path.relative_to(ROOT / "examples").as_posix()
            for path in ROOT.joinpath("examples", template).rglob("*.*")
            if not {"__pycache__", ".pytest_cache"} & set(path.parts)
        }
        assert copied == {*tracked, f"{template}/.gitignore"}


def test_the_tests_of_a_new_application_pass_and_so_does_one_of_the_running_application(
    environment: Path, shop: Path
) -> None:
    (shop / "tests" / "test_live.py").write_text(shown_files()["tests/test_live.py"])
    ended = run(environment, "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", folder=shop)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout


def test_a_new_application_answers_from_its_table_and_reloads_what_is_saved(environment: Path, shop: Path) -> None:
    code = shop / "computes" / "orders.py"
    original = code.read_text()
    with running(environment, shop, "--demo", "--workers", "1") as ready:

        def ask() -> Any:
            params = '{"customer":"ada"}'
            arguments = ("request", "customer_orders", "--params", params, "--url", ready["websocket"])
            ended = run(environment, "pushaside", *arguments, folder=shop)
            assert ended.returncode == 0, ended.stderr
            return json.loads(ended.stdout)

        assert [order["item"] for order in ask()] == ["desk", "lamp"]
        assert_descriptions_agree(environment, shop, ready)

        code.write_text(original.replace("newest_first=True", "newest_first=False"))
        until(lambda: [order["item"] for order in ask()] == ["lamp", "desk"])

        code.write_text(original + "\ndef (\n")
        until(lambda: b"The last good code goes on." in ready["log"].read_bytes())
        assert "computes/orders.py, line 12: invalid syntax." in ready["log"].read_text()
        assert [order["item"] for order in ask()] == ["lamp", "desk"]

        code.write_text(original)
        until(lambda: [order["item"] for order in ask()] == ["desk", "lamp"])


def assert_descriptions_agree(environment: Path, shop: Path, ready: dict[str, Any]) -> None:
    """The running service gives the types and the paths that the folder gives, and its answers fit them."""
    import schemathesis  # loading it would slow every collection

    def generated(command: str, *source: str) -> str:
        ended = run(environment, "pushaside", command, *source, folder=shop)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    url = ("--url", ready["websocket"])
    types = "customer_orders: { params: CustomerOrdersParams; result: CustomerOrdersResult };"
    assert types in generated("types")
    assert types in generated("types", *url)
    described, of_folder = (yaml.safe_load(generated("openapi", *source)) for source in (url, ()))
    path = "/results/customer_orders"
    assert described["paths"][path] == of_folder["paths"][path]
    operation = schemathesis.openapi.from_dict(described)[path]["GET"]
    case = operation.Case(path_parameters={}, query={"params": '{"customer":"ada"}'}, headers={"Prefer": "wait=20"})
    case.call_and_validate(base_url=ready["http"], timeout=PATIENCE_SECONDS)


def test_modules_sources_topics_environment_and_packages_of_an_application_arrive(
    environment: Path, tmp_path: Path
) -> None:
    application = tmp_path / "everything"
    shutil.copytree(ROOT / "tests/applications/everything", application)
    with running(environment, application, "--workers", "0") as ready:

        def pushaside(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
            return run(environment, "pushaside", command, *arguments, "--url", ready["websocket"], folder=tmp_path)

        assert json.loads(pushaside("request", "price").stdout) == {"currency": "EUR", "package": "IniConfig"}
        report = pushaside("request", "report", "--params", '{"customer":"ada"}')
        assert json.loads(report.stdout) == {"orders": 0, "report": None}
        assert pushaside("publish", "news:today", "1").returncode == 0
        assert "forbidden" in pushaside("publish", "other:today", "1").stderr
        assert parameter(ready, "ResultDays") == "2"


def parameter(ready: dict[str, Any], name: str) -> str:
    """A parameter of the deployed stack of Pushaside."""
    client = boto3.client(
        "cloudformation",
        endpoint_url=ready["aws_endpoint"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    stacks = client.describe_stacks()["Stacks"]
    (value,) = [
        each["ParameterValue"]
        for stack in stacks
        for each in stack.get("Parameters", [])
        if each["ParameterKey"] == name
    ]
    return value


@pytest.mark.parametrize("fault", ["def (\n", "import no_such_package\n", "raise ValueError('no')\n"])
def test_an_application_whose_code_is_at_fault_does_not_start(environment: Path, shop: Path, fault: str) -> None:
    code = shop / "computes" / "orders.py"
    original = code.read_text()
    code.write_text(fault)
    try:
        ended = run(environment, "pushaside", "local", "--port", "0", folder=shop)
    finally:
        code.write_text(original)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1
    assert "computes/orders.py, line 1: " in ended.stderr
