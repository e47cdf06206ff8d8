"""A template is deployed as it stands, and what is run is what was deployed."""

from __future__ import annotations

import json

from tests.integration.local_runtime.running_stacks import STACK, RunningStack
from tests.patience import PATIENCE_SECONDS


def test_a_functions_environment_has_every_reference_resolved(stack: RunningStack) -> None:
    environment = stack.ask(do="tell")["environment"]
    assert environment["CACHE_URL"] == stack.ready["redis_url"]
    assert environment["WORK_QUEUE_URL"].startswith(stack.ready["aws_endpoint"])
    assert environment["ITEMS_TABLE"].startswith("local-ItemsTable-")


def test_parameters_are_the_offered_ones_unless_given(stack: RunningStack) -> None:
    environment = stack.ask(do="tell")["environment"]
    assert environment["AUTH_MODE"] == "none"
    assert environment["GREETING"] == "good day from local"


def test_functions_find_aws_and_the_management_api_by_botocores_own_variables(stack: RunningStack) -> None:
    environment = stack.ask(do="tell")["environment"]
    assert environment["AWS_ENDPOINT_URL"] == stack.ready["aws_endpoint"]
    assert environment["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] == stack.ready["management"]


def test_functions_run_from_the_folder_beside_the_template(stack: RunningStack) -> None:
    told = stack.ask(do="tell")
    assert told["folder"] == str(STACK / "functions")
    assert told["memory_mb"] == 256


def test_the_stage_is_the_path(stack: RunningStack) -> None:
    assert stack.ready["websocket"].endswith("/test")


def test_a_route_with_its_response_declared_answers(stack: RunningStack) -> None:
    assert stack.ask(do="tell", action="anything")["echo"]["action"] == "anything"


def test_a_mock_route_answers_with_its_template(stack: RunningStack) -> None:
    assert stack.ask(action="ping") == {"type": "pong"}


def test_a_route_response_that_a_condition_leaves_out_does_not_exist(stack: RunningStack) -> None:
    with stack.connect() as socket:
        socket.send(json.dumps({"action": "alone", "do": "tell"}))
        socket.send(json.dumps({"action": "ping"}))
        assert json.loads(socket.recv(timeout=PATIENCE_SECONDS)) == {"type": "pong"}


def test_events_of_the_http_api_become_its_routes(stack: RunningStack) -> None:
    assert json.loads(stack.get("health")) == {"route": "GET /health", "path": {}}
    assert json.loads(stack.get("things/7")) == {"route": "ANY /things/{id}", "path": {"id": "7"}}


def test_reserved_concurrency_is_deployed(stack: RunningStack) -> None:
    functions = stack.client("lambda").list_functions()["Functions"]
    (name,) = [each["FunctionName"] for each in functions if "AloneFunction" in each["FunctionName"]]
    limit = stack.client("lambda").get_function_concurrency(FunctionName=name)
    assert limit["ReservedConcurrentExecutions"] == 1


def test_the_page_connects_to_the_stage(stack: RunningStack) -> None:
    page = stack.get("")
    assert "<!doctype html>" in page
    assert 'data-stage="test"' in page
