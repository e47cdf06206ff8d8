"""The command line is read into options."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from local import command
from local.options import Options


def parse(*flags: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return parser.parse_args(["local", *flags])


def test_without_flags_the_defaults_hold() -> None:
    assert command.read_options(parse()) == Options()


def test_every_flag_is_an_option() -> None:
    flags = "--template t.yaml --host ::1 --port 0 --demo --redis-url redis://r --aws-endpoint http://a --workers 3"
    flags += " --max-environments 5 --auth jwt --idle-timeout 1.5 --max-connection 9 --parameter A=1 --parameter B=x=y"
    assert command.read_options(parse(*flags.split(), "--ready-file", "r.json", "--quiet")) == Options(
        template=Path("t.yaml"),
        host="::1",
        port=0,
        demo=True,
        quiet=True,
        redis_url="redis://r",
        aws_endpoint="http://a",
        workers=3,
        max_environments=5,
        auth="jwt",
        idle_timeout=1.5,
        max_connection=9.0,
        parameters={"A": "1", "B": "x=y"},
        ready_file=Path("r.json"),
    )


def test_stale_results_are_explained_when_asked() -> None:
    assert command.read_options(parse("--explain")) == Options(explain=True)


@pytest.mark.parametrize(
    "flags",
    [
        "--explain --quiet",
        "--port x",
        "--port 65536",
        "--workers -1",
        "--idle-timeout 0",
        "--parameter A",
        "--parameter =1",
        "--auth x",
    ],
)
def test_a_wrong_value_ends_with_exit_code_2(flags: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(*flags.split())
    assert caught.value.code == 2
    assert flags.split()[0] in capsys.readouterr().err
