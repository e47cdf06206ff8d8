import argparse
import sys

import pytest

from pushaside.cli.exits import Exit
from pushaside_tools.load.command import add_parser


def test_a_report_without_pygal_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pygal", None)
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["load", "--url", "ws://127.0.0.1:1", "--html", "report.html"])

    assert arguments.run(arguments) == Exit.USAGE
    assert "pip install 'pushaside-tools[report]'" in capsys.readouterr().err
