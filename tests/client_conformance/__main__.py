"""Runs the suite over a client, and says which scenarios it passes.

    python -m tests.client_conformance                                  the Python client
    python -m tests.client_conformance node tests/client_conformance/runner.mjs
    python -m tests.client_conformance --lacks patches,ping ./my-runner

A runner reads the scenarios as JSON from its input, and writes a line of JSON for each: its name and the outcomes of
its steps. docs/clients-conformance.md says what a step is, and what its outcome.
"""

from __future__ import annotations

import argparse
import re
import sys

from tests.client_conformance.catalogue import HERE, load_scenarios
from tests.client_conformance.running import judge, run_client, scripted_service


def main() -> int:
    """Run the suite; 1 if a scenario is failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.client_conformance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", default="", metavar="PATTERN", help="run the scenarios whose names match")
    parser.add_argument("--lacks", default="", metavar="WORDS", help="leave out what needs one of these, by commas")
    parser.add_argument("runner", nargs=argparse.REMAINDER, help="a command; the Python client's if left out")
    options = parser.parse_args()
    lacks = set(filter(None, options.lacks.split(",")))
    scenarios = [
        each
        for each in load_scenarios().values()
        if re.search(options.only, each["name"]) and not lacks.intersection(each["needs"])
    ]
    command = options.runner or [sys.executable, str(HERE / "python_runner.py")]
    with scripted_service() as service:
        verdicts = judge(service, "run", scenarios, run_client(command))
    failed = {name: verdict.problems for name, verdict in verdicts.items() if verdict.problems}
    for name, problems in failed.items():
        print("\n  ".join([f"{name}:", *problems]))
    print(f"{len(verdicts) - len(failed)} of {len(verdicts)} scenarios passed.")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
