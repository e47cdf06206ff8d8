"""The life of `pushaside local`: how it begins, how it ends, and what it leaves behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from local.listening_port import reserve_port
from tests.integration.local_runtime.running_stacks import (
    STACK,
    TEMPLATE,
    RunningStack,
    eventually,
    refuse,
    running,
    start,
    stop,
)
from tests.patience import PATIENCE_SECONDS
from tests.servers.left_processes import is_running

pytestmark = pytest.mark.slow


def all_pids(stack: RunningStack) -> set[int]:
    return {pid for pids in stack.pids().values() for pid in pids}


def test_when_ready_it_says_so_in_a_line_and_a_file(stack: RunningStack) -> None:
    # The file is there first, so that a reader of the line finds it.
    eventually(lambda: "\n" in stack.log.read_text())
    line = stack.log.read_text().splitlines()[0]
    assert line.startswith("ready")
    assert stack.ready["websocket"] in line
    assert stack.ready["http"] in line
    assert set(stack.ready) == {"websocket", "http", "management", "aws_endpoint", "redis_url", "pid"}
    assert stack.ready["pid"] == stack.process.pid


def test_everything_listens_on_loopback_only(stack: RunningStack) -> None:
    pids = {str(pid) for pid in all_pids(stack)}
    listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout.splitlines()
    addresses = {line.split()[3].rpartition(":")[0] for line in listening if pids & set(_pids_of(line))}
    assert addresses == {"127.0.0.1"}


def _pids_of(line: str) -> list[str]:
    return [part.split(",")[0] for part in line.split("pid=")[1:]]


def test_the_stats_tell_of_every_process(stack: RunningStack) -> None:
    processes = stack.stats()["processes"]
    assert {"aws", "redis", "workers"} <= set(processes)
    functions = [worker["function"] for worker in processes["workers"]]
    assert functions.count("HttpFunction") == 2
    assert functions.count("WorkFunction") >= 1
    assert all(is_running(pid) for pid in all_pids(stack))


def test_the_stats_count_invocations_by_logical_id(stack: RunningStack) -> None:
    before = stack.stats()["invocations"]["HttpFunction"]
    stack.get("health")
    assert stack.stats()["invocations"]["HttpFunction"] == before + 1


def test_the_stats_show_what_is_in_the_queues(stack: RunningStack) -> None:
    urls = stack.client("sqs").list_queues()["QueueUrls"]
    (url,) = [url for url in urls if "UnreadQueue" in url]
    stack.client("sqs").send_message(QueueUrl=url, MessageBody="{}")
    eventually(lambda: stack.stats()["queues"]["UnreadQueue"]["visible"] == 1)
    stack.client("sqs").purge_queue(QueueUrl=url)
    eventually(lambda: stack.stats()["queues"]["UnreadQueue"]["visible"] == 0)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_that_was_started(tmp_path: Path, number: signal.Signals) -> None:
    stack = start(tmp_path)
    pids = all_pids(stack)
    stack.process.send_signal(number)
    assert stack.process.wait(PATIENCE_SECONDS) == 0
    assert not [pid for pid in pids if is_running(pid)]


def test_killed_it_leaves_no_process_behind(tmp_path: Path) -> None:
    stack = start(tmp_path)
    pids = all_pids(stack)
    stack.process.kill()
    stack.process.wait(PATIENCE_SECONDS)
    eventually(lambda: not [pid for pid in pids if is_running(pid)])


def test_killed_in_the_middle_of_an_event_it_leaves_no_process_behind(tmp_path: Path) -> None:
    stack = start(tmp_path)
    pids = all_pids(stack)
    with stack.connect() as connection:
        connection.send(json.dumps({"do": "spin", "seconds": 60}))
        eventually(lambda: stack.stats()["invocations"]["MessageFunction"] >= 2)
        stack.process.kill()
    stack.process.wait(PATIENCE_SECONDS)
    eventually(lambda: not [pid for pid in pids if is_running(pid)])


def test_a_redis_that_ends_is_started_again_on_its_port(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        (pid,) = stack.pids()["redis"]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: stack.stats()["restarts"]["redis"] == 1)
        with stack.redis() as client:
            eventually(client.ping)
        assert stack.pids()["redis"] != [pid]


def test_when_the_embedded_aws_ends_it_says_so_and_ends(tmp_path: Path) -> None:
    stack = start(tmp_path)
    pids = all_pids(stack)
    (aws,) = stack.pids()["aws"]
    os.kill(aws, signal.SIGKILL)
    assert stack.process.wait(PATIENCE_SECONDS) == 1
    assert "The embedded AWS ended (exit status -9)" in stack.log.read_text().splitlines()[-1]
    assert not [pid for pid in pids if is_running(pid)]


def test_a_given_redis_and_aws_are_used_and_left_running(stack: RunningStack, tmp_path: Path) -> None:
    given = ("--redis-url", stack.ready["redis_url"], "--aws-endpoint", stack.ready["aws_endpoint"])
    other = start(tmp_path, *given, "--parameter", "Greeting=good day")
    try:
        assert other.ready["redis_url"] == stack.ready["redis_url"]
        assert other.ready["aws_endpoint"] == stack.ready["aws_endpoint"]
        assert not {"aws", "redis"} & set(other.stats()["processes"])
        assert other.ask(action="ping") == {"type": "pong"}
    finally:
        stop(other)
    assert all(is_running(pid) for pid in stack.pids()["aws"] + stack.pids()["redis"])


def sentence_of(*flags: object) -> str:
    """Start what can't be, see that it ends with exit code 2 and one sentence, and return that."""
    ended = refuse(*flags)
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    return line


def test_a_busy_port_is_refused_before_anything_is_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"Port {port} of 127.0.0.1 is in use" in sentence_of("--template", TEMPLATE, "--port", port)


def test_a_missing_template_is_refused(tmp_path: Path) -> None:
    assert sentence_of("--template", tmp_path / "absent.yaml").startswith("There is no template at ")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Resources: [", "is not YAML"),
        ("just words", "is not a CloudFormation template"),
        ("Resources: {Queue: {Type: AWS::SQS::Queue}}", "has no WebSocket API"),
    ],
)
def test_a_template_that_cannot_be_served_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(text)
    assert sentence in sentence_of("--template", template)


def copy_of_the_stack(folder: Path, **replaced: str) -> Path:
    """Write a stack whose handlers are replaced, and return its template."""
    (folder / "functions").mkdir()
    for module in (STACK / "functions").glob("*.py"):
        (folder / "functions" / module.name).write_text(replaced.get(module.stem, module.read_text()))
    template = folder / "template.yaml"
    template.write_text(TEMPLATE.read_text())
    return template


def test_a_syntax_error_in_a_handler_is_refused(tmp_path: Path) -> None:
    template = copy_of_the_stack(tmp_path, work="def handler(event, context:\n    return None\n")
    sentence = sentence_of("--template", template)
    assert sentence.startswith("The handler work.handler of WorkFunction cannot be loaded: SyntaxError: ")
    assert "work.py, line 1" in sentence


def test_an_import_that_fails_in_a_handler_is_refused(tmp_path: Path) -> None:
    template = copy_of_the_stack(tmp_path, web="import a_library_that_is_not_there\n")
    assert "HttpFunction cannot be loaded: ModuleNotFoundError: " in sentence_of("--template", template)


def test_a_resource_that_cannot_be_deployed_is_refused(tmp_path: Path) -> None:
    template = copy_of_the_stack(tmp_path)
    template.write_text(template.read_text().replace("AWS::SQS::Queue}", "AWS::Nonsense::Thing}"))
    sentence = sentence_of("--template", template)
    assert sentence.startswith("The template could not be deployed: ")
    assert "AWS::Nonsense::Thing" in sentence


@pytest.mark.parametrize(
    "flags", [("--port", "seventy"), ("--workers", "-1"), ("--parameter", "x"), ("--auth", "maybe")]
)
def test_a_flag_with_a_wrong_value_is_refused(flags: tuple[str, str]) -> None:
    assert refuse(*flags).returncode == 2


def test_changed_code_runs_in_the_next_environment_without_a_new_deployment(tmp_path: Path) -> None:
    template = copy_of_the_stack(tmp_path)
    with running(tmp_path, "--template", template, "--workers", 1) as stack:
        web = tmp_path / "functions" / "web.py"
        web.write_text("def handler(event, context):\n    return {'statusCode': 200, 'body': 'changed'}\n")
        workers = stack.stats()["processes"]["workers"]
        (pid,) = [worker["pid"] for worker in workers if worker["function"] == "HttpFunction"]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not is_running(pid))
        assert stack.get("health") == "changed"


def test_a_free_port_that_was_found_is_nobody_elses() -> None:
    port, listener = reserve_port("127.0.0.1", 0)
    assert listener is not None
    with listener, pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", port))
