"""Use the built wheels as a new user does: in an empty environment, outside the repository.

The script installs the wheels of `dist` with their dependencies from the configured package index. Then it makes an
application, runs it, edits a compute, runs the tests, and builds it for AWS if `sam` is on PATH. It prints how long
each step takes; the bounds beside them are aims, not conditions. Every step has a time limit, and the script ends the
processes that it started.

    check_wheels.py [PYTHON]    (for the environment; default: the one that runs the script)
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

WHEELS = Path("dist")
DISTRIBUTIONS = ("pushaside", "pushaside_tools", "pushaside_service")
STEP_SECONDS = 300.0
ANSWER_SECONDS = 60.0
POLL_SECONDS = 0.05


class Installed:
    """An environment with the wheels, and the folder in which a user works with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "environment" / "bin"
        self.variables = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))},
            "PATH": f"{self.programs}:{os.environ['PATH']}",
            "AWS_DEFAULT_REGION": "us-east-1",  # sam wants a name and calls nothing there
        }

    def run(self, *command: str | Path, cwd: Path | None = None) -> str:
        """Run a program of the environment and return its standard output.

        Raises:
            SystemExit: it fails, or exceeds its time limit.

        """
        program, *arguments = map(str, command)
        words = " ".join([program, *arguments])
        path = str(self.programs / program) if (self.programs / program).exists() else program
        try:
            ended = subprocess.run(  # noqa: S603 - every argument is ours
                [path, *arguments],
                cwd=cwd or self.folder,
                env=self.variables,
                capture_output=True,
                text=True,
                timeout=STEP_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            sys.exit(f"`{words}` did not end within {STEP_SECONDS:g} seconds.")
        if ended.returncode:
            sys.exit(f"`{words}` failed with {ended.returncode}.\n{ended.stdout}{ended.stderr}")
        return ended.stdout


def find_wheels() -> list[Path]:
    """Return the wheel of each distribution.

    Raises:
        SystemExit: one is missing, or there are several.

    """
    found = [sorted(WHEELS.glob(f"{name}-*.whl")) for name in DISTRIBUTIONS]
    if any(len(wheels) != 1 for wheels in found):
        sys.exit(
            f"{WHEELS} must hold one wheel of each of {', '.join(DISTRIBUTIONS)}; `make distributions` makes them."
        )
    return [wheels[0].resolve() for wheels in found]


def install(installed: Installed, python: str) -> None:
    """Make the environment."""
    environment = installed.folder / "environment"
    installed.run(python, "-m", "venv", environment)
    installed.run("python", "-m", "pip", "install", "--quiet", *find_wheels(), "pytest")
    origins = installed.run(
        "python", "-c", "import local, push, pushaside_service\nprint(local.__file__, push.__file__)"
    )
    if not all(Path(origin).is_relative_to(environment) for origin in origins.split()):
        sys.exit(f"The environment imports from elsewhere: {origins}")


@contextmanager
def running(installed: Installed, shop: Path) -> Iterator[Mapping[str, str]]:
    """Run the application until Ctrl-C; yield the content of its ready file.

    Raises:
        SystemExit: it does not start, does not end, or leaves a process.

    """
    ready_file, log = installed.folder / "ready.json", installed.folder / "log"
    command = [installed.programs / "pushaside", "local", "--demo", "--port", "0", "--ready-file", ready_file]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - every argument is ours
            command, cwd=shop, env=installed.variables, stdout=output, stderr=output, start_new_session=True
        )
    try:
        until(lambda: ready_file.exists() or process.poll() is not None, f"readiness; see\n{log}")
        if process.poll() is not None:
            sys.exit(f"`pushaside local` ended with {process.returncode}.\n{log.read_text()}")
        yield json.loads(ready_file.read_text())
        children = read_children(ready_file)
        process.send_signal(signal.SIGINT)
        until(lambda: process.poll() is not None, "the end after Ctrl-C")
        until(lambda: not any(map(is_alive, children)), f"the end of the processes {children}")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def read_children(ready_file: Path) -> list[int]:
    """Return the process ids of everything that the application runs in."""
    address = json.loads(ready_file.read_text())["http"].rstrip("/") + "/_local/stats"
    with urllib.request.urlopen(address, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 - of the ready file
        processes = json.load(answer)["processes"]
    others = [pid for name, pid in processes.items() if name != "workers"]
    return [*others, *(worker["pid"] for worker in processes["workers"])]


def is_alive(pid: int) -> bool:
    """Return whether a process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def until(happened: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds.

    Raises:
        SystemExit: it does not hold in time.

    """
    deadline = time.monotonic() + ANSWER_SECONDS
    while not happened():
        if time.monotonic() > deadline:
            sys.exit(f"Waited {ANSWER_SECONDS:g} seconds in vain for {what}.")
        time.sleep(POLL_SECONDS)


def ask(installed: Installed, shop: Path, url: str) -> list[str]:
    """Return the items of the demo's orders, in the order of the answer."""
    params = json.dumps({"customer": "ada"})
    answer = installed.run("pushaside", "request", "customer_orders", "--params", params, "--url", url, cwd=shop)
    return [order["item"] for order in json.loads(answer)]


def use(installed: Installed, clock: Callable[[str], None]) -> None:
    """Do what the first page of the documentation says."""
    shop = installed.folder / "shop"
    installed.run("pushaside", "new", "shop")
    with running(installed, shop) as ready:
        first = ask(installed, shop, ready["websocket"])
        clock("from `pushaside new` to a first result (at most 30)")
        code = shop / "computes" / "orders.py"
        code.write_text(code.read_text().replace("newest_first=True", "newest_first=False"))
        until(lambda: ask(installed, shop, ready["websocket"]) == first[::-1], "the answer of the saved code")
        clock("from a save to the new answer, the command's own start included")
        code.write_text(code.read_text().replace("newest_first=False", "newest_first=True"))
    clock("from Ctrl-C to the end")
    passed = installed.run("python", "-m", "pytest", "-q", cwd=shop).splitlines()[-1]
    clock(f"the generated tests (at most 1, says pytest: {passed})")
    if shutil.which("sam", path=installed.variables["PATH"]):
        installed.run("pushaside", "build", cwd=shop)
        clock("`pushaside build`, with `sam build`")


def main(python: str) -> None:
    """Install the wheels and use them, and print the seconds of each step."""
    since = time.monotonic()

    def clock(step: str) -> None:
        nonlocal since
        now = time.monotonic()
        sys.stdout.write(f"{now - since:6.1f} s  {step}\n")
        sys.stdout.flush()
        since = now

    with tempfile.TemporaryDirectory(prefix="pushaside-wheels-") as folder:
        installed = Installed(Path(folder).resolve())
        install(installed, python)
        clock("the wheels and their dependencies installed")
        use(installed, clock)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else sys.executable)
