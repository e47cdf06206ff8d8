import argparse
import re
import shlex
from pathlib import Path

import pytest

from pushaside.cli.load import add_parser
from pushaside.cli.load_plan import make_plan
from pushaside.load.plan import Plan

PAGE = (Path(__file__).parents[3] / "docs" / "load.md").read_text()


def plan_of(*arguments: str) -> Plan:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    return make_plan(parser.parse_args(["load", *arguments]))


def test_one_request_per_connection_is_under_way_unless_told_otherwise() -> None:
    plan = plan_of("--connections", "7")

    assert (plan.rate, plan.concurrency, plan.connect_rate, plan.keys) == (None, 7, 500.0, 1000)
    assert plan.params == '{"size_bytes":500,"work_ms":0,"seed":{key}}'
    assert plan.has_seed


def test_no_process_is_without_a_connection() -> None:
    assert plan_of("--connections", "2", "--processes", "4").processes == 2


def test_params_without_a_key_are_one_key() -> None:
    plan = plan_of("--compute", "documents", "--params", '{"collection":"airports","ids":["TX"]}')

    assert (plan.keys, plan.has_seed) == (1, False)


def test_a_plan_keeps_its_token_to_itself() -> None:
    assert "hush" not in repr(plan_of("--token", "hush"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--cold", "--keys", "5"], "--keys says nothing"),
        (["--cold", "--params", '{"seed":1}'], "There is no {key}"),
        (["--keys", "5", "--compute", "documents"], "There is no {key}"),
        (["--size", "5", "--params", '{"seed":{key}}'], "--size and --work-ms"),
        (["--work-ms", "5", "--compute", "documents"], "--size and --work-ms"),
        (["--params", "{key"], "not JSON"),
        (["--params", "[{key}]"], "must be a JSON object"),
        (["--params", f'{{"a":"{"x" * 32_000}"}}'], "too long"),
        (["--deadline", "901"], "at most 900 seconds"),
    ],
)
def test_what_contradicts_itself_is_refused(arguments: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence.replace("{", r"\{")):
        plan_of(*arguments)


@pytest.mark.parametrize("command", re.findall(r"^\$ pushaside load (.*)$", PAGE, re.MULTILINE))
def test_the_commands_of_the_page_make_plans(command: str) -> None:
    plan_of(*shlex.split(command))


def test_every_option_is_on_the_page() -> None:
    parser = argparse.ArgumentParser()
    add_parser(parser.add_subparsers())
    described = parser.parse_args(["load"])

    missing = [name for name in vars(described) if name != "run" and f"--{name.replace('_', '-')}" not in PAGE]

    assert missing == []


def test_what_is_wrong_is_what_the_page_says() -> None:
    assert all(f"\n| {name} |" in PAGE for name in ("lost", "late", "doubled", "wrong", "errors", "unsent"))
