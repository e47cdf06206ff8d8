from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.sync.client import ClientConnection

from tests.conformance.local_runtime import LocalTargets
from tests.conformance.sockets import open_socket
from tests.conformance.targets import Limits, NamedTargets, Target, Targets

MAIN_STACK = "template"
HERE = Path(__file__).parent


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--conformance-target",
        default=os.environ.get("CONFORMANCE_TARGET"),
        metavar="FILE",
        help="TOML file of deployed stacks to look at, in place of `pushaside local` (see README.md beside this)",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here as slow: each needs a running stack."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def targets(pytestconfig: pytest.Config) -> Targets:
    # The option is unknown when the whole of tests/ is run: only the folder given on the command line may add some.
    file = pytestconfig.getoption("--conformance-target", os.environ.get("CONFORMANCE_TARGET"))
    return NamedTargets(Path(file)) if file else LocalTargets()


@pytest.fixture(scope="package")
def main_target(targets: Targets) -> Iterator[Target]:
    with targets.deployed(MAIN_STACK, Limits()) as target:
        yield target


@pytest.fixture(scope="module")
def target(request: pytest.FixtureRequest, targets: Targets) -> Iterator[Target]:
    """The stack that the module names by STACK and LIMITS, or the one that most look at."""
    stack = getattr(request.module, "STACK", MAIN_STACK)
    limits = getattr(request.module, "LIMITS", Limits())
    if (stack, limits) == (MAIN_STACK, Limits()):
        yield request.getfixturevalue("main_target")
    else:
        with targets.deployed(stack, limits) as target:
            yield target


@pytest.fixture
def socket(target: Target) -> Iterator[ClientConnection]:
    with open_socket(target) as socket:
        yield socket
