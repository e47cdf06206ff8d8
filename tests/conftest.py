"""Servers that several folders of tests share, each started once and only if a test asks for it."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from tests.operations import take_operations
from tests.servers.left_processes import MARK, mark_processes, marked_processes
from tests.servers.valkey import valkey, valkey_cluster

# Every client is given an endpoint on loopback; should one not be, it must not find a way to AWS.
os.environ.update(
    AWS_ACCESS_KEY_ID="test",
    AWS_SECRET_ACCESS_KEY="test",
    AWS_REGION="us-east-1",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_EC2_METADATA_DISABLED="true",
)
for variable in ("AWS_SESSION_TOKEN", "AWS_PROFILE"):
    os.environ.pop(variable, None)

# For the pytest that tests run in an application's folder: an author has no schemathesis, whose plugin loads slowly.
os.environ.setdefault("PYTEST_ADDOPTS", "-p no:schemathesis")

# How long an example takes says how busy the machine is.
settings.register_profile(
    "any machine",
    settings.default,
    deadline=None,
    suppress_health_check=[*settings.default.suppress_health_check, HealthCheck.too_slow],
)
settings.load_profile("any machine")
settings.register_profile("while you work", settings.get_profile("any machine"), max_examples=25)
settings.register_profile("fuzz", max_examples=int(os.environ.get("FUZZ_EXAMPLES", "20000")))
_FUZZES = "FUZZ_EXAMPLES" in os.environ


SHARED_STACKS = ("tests/browser/", "tests/conformance/", "tests/third_parties/")
"""Folders whose files share a stack. One worker runs all of them, or each worker would start the stack again."""

_LOG_CHARACTERS = 8000
_WATCHER = pytest.StashKey[subprocess.Popen[bytes]]()
_ENDING_SECONDS = 10.0


def pytest_configure(config: pytest.Config) -> None:
    gc.disable()  # until all tests are collected; what collection makes lives to the end
    config.stash[_WATCHER] = mark_processes()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell says so to what it starts in the background. The programs that tests press Ctrl-C in would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)


class StackScheduling(LoadFileScheduling):
    """Gives all tests of a file, or of a folder with a shared stack, to one worker."""

    def _split_scope(self, nodeid: str) -> str:
        shared = next((folder for folder in SHARED_STACKS if nodeid.startswith(folder)), None)
        return shared or super()._split_scope(nodeid)


def pytest_collection_finish() -> None:
    """Take the modules and tests, which live to the end, out of every later garbage collection."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> StackScheduling:
    return StackScheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files of the longest tests, or one of several workers is left with them when the others end."""
    most_seconds: dict[Path, float] = {}
    for item in items:
        most_seconds[item.path] = max(most_seconds.get(item.path, 0), _most_seconds(item))
    items.sort(key=lambda item: -most_seconds[item.path])


def _most_seconds(item: pytest.Item) -> float:
    """Return how long a test says that it may take."""
    if timeout := item.get_closest_marker("timeout"):
        return float(timeout.args[0])
    return 120 if item.get_closest_marker("slow") else 0


@pytest.fixture(scope="session", autouse=True)
def no_process_is_left() -> Iterator[None]:
    """Everything that tests started has ended with what they started it for."""
    yield
    give_up_at = time.monotonic() + _ENDING_SECONDS
    while left := marked_processes(os.environ[MARK]):
        assert time.monotonic() < give_up_at, left
        time.sleep(0.05)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note the operations of a state machine; show what a stack wrote, and what waits in it, if its test failed."""
    report = yield
    # By the report, because it may be made in another process than the summary.
    report.user_properties += [("operations", done) for done in take_operations().items()]
    stack = getattr(item, "funcargs", {}).get("stack")
    if report.failed and isinstance(getattr(stack, "log", None), Path):
        report.sections.append(("the stack's log", stack.log.read_text(errors="replace")[-_LOG_CHARACTERS:]))
        try:
            stats = json.dumps(stack.stats())
        except OSError as exc:
            stats = f"it does not answer: {exc}"
        report.sections.append(("the stack's stats", stats))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many operations each state machine did, if that is what the tests ran for."""
    reports = [report for reports in terminalreporter.stats.values() for report in reports if _FUZZES]
    operations = [
        done for report in reports for name, done in getattr(report, "user_properties", ()) if name == "operations"
    ]
    for machine, count in operations:
        terminalreporter.write_line(f"{machine}: {count:,} operations")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Valkey server's URL; tests use keys of their own, or flush it."""
    with valkey() as url:
        yield url


@pytest.fixture(scope="session")
def redis_cluster_url() -> Iterator[str]:
    """The same in cluster mode, as ElastiCache Serverless is, but with several nodes."""
    with valkey_cluster() as url:
        yield url
