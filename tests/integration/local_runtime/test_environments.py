"""An execution environment keeps Lambda's rules."""

from __future__ import annotations

import asyncio
import os
import re
import signal

import pytest

from local.errors import CannotStartError
from local.functions.invocation import Outcome
from tests.integration.local_runtime.function_services import ENDPOINTS, FUNCTION, HANDLERS, FunctionService
from tests.patience import PATIENCE_SECONDS


async def test_a_handler_is_imported_once_and_keeps_its_state(service: FunctionService) -> None:
    first, second = await service.do(), await service.do()
    assert (first["pid"], first["events_seen"]) == (second["pid"], 1)
    assert second["events_seen"] == 2


async def test_a_handler_runs_on_the_main_thread_in_its_code_folder(service: FunctionService) -> None:
    told = await service.do()
    assert told["thread_is_main"]
    assert told["folder"] == told["import_path"] == str(HANDLERS)


async def test_the_context_tells_of_the_function_and_the_time_left(service: FunctionService) -> None:
    told = await service.do()
    assert told["name"] == FUNCTION.name
    assert told["arn"] == FUNCTION.arn
    assert told["memory_mb"] == FUNCTION.memory_megabytes
    assert told["log_stream_name"] == "stream"
    assert 30_000 < told["remaining_ms"] <= 60_000


async def test_every_invocation_has_a_request_id_of_its_own(service: FunctionService) -> None:
    ids = {(await service.do())["request_id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", each) for each in ids)


async def test_the_environment_is_the_templates_and_lambdas(service: FunctionService) -> None:
    environment = (await service.do())["environment"]
    assert environment["GREETING"] == "hello"
    assert environment["AWS_LAMBDA_FUNCTION_NAME"] == FUNCTION.name
    assert environment["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert environment["_HANDLER"] == "does.handler"
    assert environment["LAMBDA_TASK_ROOT"] == str(HANDLERS)
    assert environment["AWS_ENDPOINT_URL"] == ENDPOINTS.aws
    assert environment["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] == ENDPOINTS.management


async def test_the_developers_own_account_and_settings_are_not_passed_on(start, monkeypatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    monkeypatch.setenv("SOMETHING_ELSE", "x")
    environment = (await (await start()).do())["environment"]
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "SOMETHING_ELSE"} & set(environment)
    assert environment["AWS_CONFIG_FILE"] == environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull


async def test_an_exception_is_described_as_lambda_does(service: FunctionService) -> None:
    outcome, error = await service.fail(do="raise", text="not here")
    assert outcome is Outcome.RAISED
    assert (error["errorType"], error["errorMessage"]) == ("LookupError", "not here")
    assert "does.py" in error["stackTrace"][0]
    assert not any("handler_calls" in frame for frame in error["stackTrace"])


async def test_an_exception_is_in_the_functions_log(service: FunctionService) -> None:
    await service.fail(do="raise", text="not here")
    await service.do()
    assert ("DoesFunction", "[ERROR] LookupError: not here") in service.log.lines


async def test_output_of_both_kinds_is_in_the_functions_log(service: FunctionService) -> None:
    await service.do(do="print", text="a word")
    await service.do()
    assert service.log.lines.count(("DoesFunction", "a word")) == 2


async def test_metrics_are_counted_and_not_logged(service: FunctionService) -> None:
    line = (
        '{"_aws": {"CloudWatchMetrics": [{"Dimensions": [["service", "Tier"]], "Metrics": [{"Name": "CacheHit"}]}]},'
        ' "service": "x", "Tier": "l1", "CacheHit": [1.0]}'
    )
    await service.do(do="print", text=line)
    await service.do()
    assert service.metrics.by_dimension("CacheHit", "Tier") == {"l1": 2.0}
    assert service.log.lines == []


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("integer_keys", {"1": "one"}),
        ("decimal", {"value": 1.5}),
        ("big", {"value": 2**70}),
        ("tuple", [1, 2]),
        ("nothing", None),
        ("lone_surrogate", "\ud800"),
        ("text", {"statusCode": 200, "body": 'Zürich "\n\u2028'}),
        ("empty_text", {"statusCode": 200, "body": ""}),
        ("text_with_a_lone_surrogate", {"statusCode": 200, "body": "\ud800"}),
        ("text_of_another_status", {"statusCode": 201, "body": "made"}),
        ("text_with_headers", {"statusCode": 200, "body": "plain", "headers": {"a": "b"}}),
        ("body_that_is_no_text", {"statusCode": 200, "body": 1}),
    ],
)
async def test_answers_are_serialized_as_lambda_does(service: FunctionService, kind: str, answer: object) -> None:
    assert await service.do(do="answer", kind=kind) == answer


async def test_a_text_is_not_written_as_json_on_its_way(service: FunctionService) -> None:
    invocation = await service.begin(do="answer", kind="text")
    assert (invocation.is_text, invocation.answer.decode()) == (True, 'Zürich "\n\u2028')


async def test_an_answer_that_is_not_json_is_a_marshal_error(service: FunctionService) -> None:
    outcome, error = await service.fail(do="answer", kind="object")
    assert outcome is Outcome.RAISED
    assert error["errorType"] == "Runtime.MarshalError"
    assert "object is not JSON serializable" in error["errorMessage"]


async def test_an_event_that_outlasts_the_timeout_ends_its_process(start) -> None:
    service = await start(timeout_seconds=1)
    pid = (await service.do())["pid"]
    outcome, error = await service.fail(do="spin", seconds=30)
    assert outcome is Outcome.TIMED_OUT
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert (await service.do())["pid"] != pid


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ({"do": "exit", "status": 3}, "with error: exit status 3"),
        ({"do": "exit", "status": 0}, "without providing a reason"),
        ({"do": "kill"}, "with error: signal: 9"),
    ],
)
async def test_the_death_of_the_process_is_an_exit_error(service: FunctionService, event: dict, reason: str) -> None:
    outcome, error = await service.fail(**event)
    assert outcome is Outcome.RAISED
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith(f"Error: Runtime exited {reason}")


async def test_a_fresh_environment_takes_a_dead_ones_place(service: FunctionService) -> None:
    first = await service.do()
    await service.fail(do="kill")
    second = await service.do()
    assert second["pid"] != first["pid"]
    assert second["events_seen"] == 1


async def test_an_idle_environment_that_is_killed_is_replaced_without_an_event(service: FunctionService) -> None:
    (pid,) = service.pids
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while service.pids <= {pid}:  # noqa: ASYNC110  # another process: there is no event
            await asyncio.sleep(0.01)
    assert (await service.do())["pid"] != pid


@pytest.mark.parametrize(
    ("handler", "sentence"),
    [
        (
            "unloadable.handler",
            "The handler unloadable.handler of DoesFunction cannot be loaded: ImportError: a library",
        ),
        ("does.absent", "The handler does.absent of DoesFunction cannot be loaded: AttributeError: "),
        ("absent.handler", "The handler absent.handler of DoesFunction cannot be loaded: ModuleNotFoundError: "),
        ("leaves.handler", "The handler leaves.handler of DoesFunction cannot be loaded: Runtime.ExitError: "),
    ],
)
async def test_a_handler_that_cannot_be_loaded_is_told_in_a_sentence(start, handler: str, sentence: str) -> None:
    with pytest.raises(CannotStartError) as caught:
        await start(handler=handler)
    assert str(caught.value).startswith(sentence)


async def test_an_unknown_function_is_an_error_and_not_an_exception(service: FunctionService) -> None:
    ended = asyncio.get_running_loop().create_future()
    service.functions.invoke("absent", b"{}", ended.set_result)
    assert not ended.done()
    assert (await ended).outcome is Outcome.RAISED
