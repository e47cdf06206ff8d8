"""The command line: peers, workloads, rounds and durations."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from benchmarks.peers.harness import Measured, failures, measure_all
from benchmarks.peers.registry import PEERS, Peer
from benchmarks.peers.tables import render_all, write_tables
from benchmarks.peers.workloads import WORKLOADS, Workload


def names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers",
        description="Measure Pushaside and its peers with the same work, one after another, in rounds.",
    )
    add = parser.add_argument
    add(
        "--workload", type=names, default=[each.name for each in WORKLOADS], metavar="NAMES", help="separated by commas"
    )
    add("--only", type=names, default=[each.name for each in PEERS], metavar="PEERS", help="separated by commas")
    add("--rounds", type=int, default=5)
    add("--seconds", type=float, default=3.0, help="seconds of each measurement")
    add("--json", action="store_true", help="print one document with every round")
    add("--write", action="store_true", help="write the tables into docs/performance.md")
    add("--list", action="store_true", help="list peers and workloads, and what is not installed")
    return parser


def choose(parser: argparse.ArgumentParser, options: argparse.Namespace) -> tuple[list[Peer], list[Workload]]:
    unknown = {*options.workload, *options.only} - {each.name for each in (*WORKLOADS, *PEERS)}
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; --list lists what there is")
    workloads = [each for each in WORKLOADS if each.name in options.workload]
    peers = [each for each in PEERS if each.name in options.only]
    return peers, workloads


def installed(peers: Sequence[Peer]) -> list[Peer]:
    """Return the peers that can be started, and print what the others lack."""
    absent = {peer.name: missing for peer in peers if (missing := peer.missing())}
    for name, missing in absent.items():
        print(f"skipped: {name}: {missing} is not installed", file=sys.stderr, flush=True)
    return [peer for peer in peers if peer.name not in absent]


def list_all() -> None:
    for workload in WORKLOADS:
        print(f"{workload.name:<24}{workload.title}")
    print()
    for peer in PEERS:
        missing = peer.missing()
        print(f"{peer.name:<24}{', '.join(peer.workloads)}{f' ({missing} is not installed)' if missing else ''}")


def report(options: argparse.Namespace, workloads: Sequence[Workload], measured: Sequence[Measured]) -> int:
    tables = render_all(workloads, measured)
    if options.json:
        print(json.dumps([each.document() for each in measured], indent=2))
    else:
        for workload in workloads:
            if workload.name in tables:
                print(f"{workload.name}: {workload.title}; rounds: {options.rounds}\n\n{tables[workload.name]}\n")
    if options.write:
        write_tables(tables)
    for line in failures(measured):
        print(f"failed: {line}", file=sys.stderr)
    return 1 if any(each.failures for each in measured if each.peer.is_ours) else 0


def main() -> int:
    parser = make_parser()
    options = parser.parse_args()
    if options.list:
        list_all()
        return 0
    peers, workloads = choose(parser, options)
    return report(
        options, workloads, measure_all(installed(peers), workloads, rounds=options.rounds, seconds=options.seconds)
    )


if __name__ == "__main__":
    sys.exit(main())
