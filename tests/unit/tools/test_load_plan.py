import argparse
import re
import shlex
from pathlib import Path

import pytest

from pushaside_tools.load.command import add_parser
from pushaside_tools.load.options import make_plan
from pushaside_tools.load.plan import Plan

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


def test_subscribers_alone_send_no_requests() -> None:
    plan = plan_of("--subscribers", "20", "--topics", "4", "--processes", "2")

    assert (plan.connections, plan.all_connections, plan.processes) == (0, 30, 2)
    assert plan.topics is not None
    assert plan.topics.name_of(3) == f"load:{plan.run:x}/3"


def test_subscribers_beside_requests_have_connections_of_their_own() -> None:
    plan = plan_of("--subscribers", "20", "--rate", "5", "--connections", "7", "--publishers", "2", "--processes", "4")

    assert (plan.connections, plan.all_connections, plan.processes) == (7, 29, 2)


def test_all_cold_is_a_share_of_one() -> None:
    assert [plan_of(*each).cold_share for each in ([], ["--cold-share", "0.05"], ["--cold"])] == [0.0, 0.05, 1.0]


def test_a_plan_keeps_its_token_to_itself() -> None:
    assert "hush" not in repr(plan_of("--token", "hush"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--cold", "--keys", "5"], "--keys has no effect"),
        (["--cold", "--params", '{"seed":1}'], "--params has no {key}"),
        (["--keys", "5", "--compute", "documents"], "--params has no {key}"),
        (["--size", "5", "--params", '{"seed":{key}}'], "--size and --work-ms"),
        (["--work-ms", "5", "--compute", "documents"], "--size and --work-ms"),
        (["--params", "{key"], "not valid JSON"),
        (["--params", "[{key}]"], "must be a JSON object"),
        (["--params", f'{{"a":"{"x" * 32_000}"}}'], "too long"),
        (["--deadline", "901"], "at most 900 seconds"),
        (["--cold-share", "0.5", "--params", '{"seed":1}'], "--params has no {key}"),
        (["--topics", "2"], "--topics has no effect without --subscribers"),
        (["--publish-rate", "2"], "--publish-rate has no effect without --subscribers"),
        (["--subscribers", "2", "--topics", "3"], "some channels would have no subscriber"),
        (["--subscribers", "2", "--publish-size", "32000"], "too large for one frame"),
        (["--subscribers", "2", "--channel", "nothing"], "--channel must be a channel name"),
        (["--subscribers", "2", "--keys", "3"], "need --rate or --concurrency"),
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
    assert all(
        f"\n| {name} |" in PAGE for name in ("lost", "late", "doubled", "wrong", "errors", "unsent", "out_of_order")
    )
