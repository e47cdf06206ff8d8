"""Measure the CPU time of importing each function's handler from its artifact, with and without bytecode.

The benchmark assembles the artifact in a temporary folder: `src` and the distributions of `src/requirements.txt`,
copied from this environment without bytecode, and a compiled copy. Each import runs in its own process, without
site-packages (`-I -S`) and without writing bytecode, as in Lambda. The start of the interpreter is not counted. If
`perf` can count instructions, the tables show them too, because they hardly vary.

`--modules FUNCTION` shows the slowest modules, by `-X importtime`.
"""

from __future__ import annotations

import argparse
import compileall
import importlib.metadata
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks._measuring import print_table

ROOT = Path(__file__).resolve().parent.parent
TARGET_MS = 150.0
TARGETS = ("connect.app", "connect.authorizer", "request.socket_app")
"""The functions whose callers wait for a cold start."""

RUN_SECONDS = 60
PROGRAM = """
import sys, time
sys.path.insert(0, sys.argv[1])
began = time.process_time()
__import__(sys.argv[2])
print(time.process_time() - began, len(sys.modules))
"""


@dataclass(frozen=True, slots=True)
class Import:
    """Imports of one module: milliseconds of CPU in each round, loaded modules, and millions of instructions."""

    milliseconds: Sequence[float]
    modules: int
    instructions: float | None

    @property
    def median(self) -> float:
        return statistics.median(self.milliseconds)

    def __str__(self) -> str:
        return f"{self.median:.0f} ({min(self.milliseconds):.0f} to {max(self.milliseconds):.0f})"


class _Loader(yaml.SafeLoader):
    """A YAML loader of templates that ignores intrinsic functions: no handler uses one."""


_Loader.add_multi_constructor("!", lambda _loader, _tag, _node: None)


def read_modules() -> list[str]:
    """Return the module of every function's handler, in the template's order."""
    template = yaml.load((ROOT / "template.yaml").read_text(), _Loader)
    functions = [each for each in template["Resources"].values() if each["Type"] == "AWS::Serverless::Function"]
    return [each["Properties"]["Handler"].rpartition(".")[0] for each in functions]


def build(folder: Path) -> None:
    """Assemble the artifact without bytecode."""
    shutil.copytree(ROOT / "src", folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    names = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "src/requirements.txt").read_text(), re.MULTILINE)
    for name in names:
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform or Python
        for file in files:
            if ".." not in file.parts and file.suffix != ".pyc":
                target = folder / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file.locate(), target)


def command(folder: Path, module: str, *options: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-B", *options, "-c", PROGRAM, str(folder), module]


def measure(folder: Path, module: str, rounds: int) -> Import:
    """Import a module in that many processes, one after another."""
    outputs = [_run(command(folder, module)).stdout.split() for _ in range(rounds + 1)]
    seconds = [float(output[0]) for output in outputs[1:]]  # the first reads the files from disk
    return Import([each * 1000 for each in seconds], int(outputs[0][1]), count_instructions(folder, module))


def _run(arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(arguments, capture_output=True, text=True, timeout=RUN_SECONDS, check=True)


def count_instructions(folder: Path, module: str) -> float | None:
    """Return the millions of instructions of an import; None if the processor's counters are not readable."""
    whole, bare = _perf(command(folder, module)), _perf(command(folder, "sys"))
    return None if whole is None or bare is None else (whole - bare) / 1e6


def _perf(arguments: Sequence[str]) -> float | None:
    if not _has_perf():
        return None
    counted = re.search(r"^(\d+)", _run(["perf", "stat", "-x", ",", "-e", "instructions:u", *arguments]).stderr)
    return float(counted[1]) if counted else None


@cache
def _has_perf() -> bool:
    if not shutil.which("perf"):
        return False
    done = subprocess.run(
        ["perf", "stat", "-x", ",", "-e", "instructions:u", "true"], capture_output=True, text=True, check=False
    )
    return done.returncode == 0 and done.stderr[:1].isdigit()


def print_slowest(folder: Path, module: str, count: int = 25) -> None:
    """Print the slowest modules, including their own imports, in milliseconds."""
    lines = _run(command(folder, module, "-X", "importtime")).stderr.splitlines()
    times = [re.match(r"import time: +(\d+) \| +(\d+) \| ( *)(\S+)$", line) for line in lines]
    found = [(int(each[2]) / 1000, int(each[1]) / 1000, each[4]) for each in times if each]
    rows = [(name, f"{whole:.1f}", f"{own:.1f}") for whole, own, name in sorted(found, reverse=True)[:count]]
    print_table((f"imported by {module}, with bytecode", "ms with what it imports", "ms alone"), rows)


def _row(module: str, compiled: Import, source: Import) -> tuple[str, ...]:
    target = ""
    if module in TARGETS:
        target = f"{TARGET_MS:.0f}, {'met' if compiled.median < TARGET_MS else 'missed'}"
    counts = (compiled.instructions, source.instructions)
    instructions = ("" if count is None else f"{count:,.0f}" for count in counts)
    return f"`{module}`", str(compiled), str(source), target, str(compiled.modules), *instructions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", metavar="MODULE", help="these handlers only, e.g. `request.socket_app`")
    parser.add_argument("--modules", metavar="MODULE", help="show the imports of one handler instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cold-start-") as folder:
        source, compiled = Path(folder, "source"), Path(folder, "compiled")
        build(source)
        shutil.copytree(source, compiled)
        compileall.compile_dir(compiled, quiet=2)
        if options.modules:
            print_slowest(compiled, options.modules)
            return
        wanted = [each for each in read_modules() if not options.only or each in options.only]
        rows = [
            _row(each, measure(compiled, each, options.rounds), measure(source, each, options.rounds))
            for each in wanted
        ]
    header = ["import, ms of CPU", "with bytecode", "without", "target", "modules", "million instructions", "without"]
    print_table(header if _has_perf() else header[:5], [row if _has_perf() else row[:5] for row in rows])


if __name__ == "__main__":
    main()
