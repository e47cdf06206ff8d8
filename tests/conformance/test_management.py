"""`@connections`: by boto3, by the AWS command line, and by hand."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from websockets.sync.client import ClientConnection

from tests.conformance.recorded_events import wait_for
from tests.conformance.sockets import connection_id, message_event, open_socket, receive
from tests.conformance.targets import INVENTED_CREDENTIALS, Target
from tests.patience import PATIENCE_SECONDS

MAX_DATA_BYTES = 131_072
NEVER_DRAWN = "AAAAAAAAAAAAAAA="


def failure(call: Callable[..., object], **arguments: object) -> tuple[int, str]:
    """Return status and error code of a boto3 call that has to fail."""
    with pytest.raises(ClientError) as failed:
        call(**arguments)
    response = failed.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def request(target: Target, method: str, path: str, *, signed: bool, body: bytes = b"") -> tuple[int, bytes]:
    """Send a request whose path is exactly `path`, below the stage."""
    url = f"{target.management_endpoint}{path}"
    sent = AWSRequest(method, url, data=body)
    if signed:
        SigV4Auth(_credentials(target), "execute-api", target.region).add_auth(sent)
    parts = urlsplit(url)
    connection = (HTTPSConnection if parts.scheme == "https" else HTTPConnection)(parts.netloc, timeout=20)
    try:
        connection.request(method, parts.path, body, dict(sent.headers))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def _credentials(target: Target) -> Credentials:
    if target.aws_endpoint is not None:
        return Credentials(*INVENTED_CREDENTIALS.values())
    credentials = boto3.Session().get_credentials()
    assert credentials is not None
    return credentials


# POST


def test_posted_data_arrives_as_a_text_message(target: Target, socket: ClientConnection) -> None:
    """Source: "Use @connections commands in your backend service"; PostToConnection in the API reference."""
    data = '{"é": "\U0001f600"}'
    answer = target.management().post_to_connection(ConnectionId=connection_id(socket), Data=data.encode())
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert receive(socket) == data


def test_posted_data_may_be_128_kb(target: Target, socket: ClientConnection) -> None:
    """Source: PostToConnection in the API reference (at most 131,072 bytes)."""
    target.management().post_to_connection(ConnectionId=connection_id(socket), Data=b"x" * MAX_DATA_BYTES)
    sizes = [len(fragment) for fragment in socket.recv_streaming()]
    assert sum(sizes) == MAX_DATA_BYTES
    assert max(sizes) <= 32 * 1024


def test_more_is_413(target: Target, socket: ClientConnection) -> None:
    """Source: PayloadTooLargeException in botocore's model of the management API."""
    data = b"x" * (MAX_DATA_BYTES + 1)
    identity = connection_id(socket)
    post = target.management().post_to_connection
    assert failure(post, ConnectionId=identity, Data=data) == (413, "PayloadTooLargeException")
    post(ConnectionId=identity, Data=b"still open")
    assert receive(socket) == "still open"


def test_a_client_that_does_not_read_becomes_429(target: Target) -> None:
    """Source: LimitExceededException in botocore's model ("or the WebSocket client side buffer is full")."""
    with open_socket(target, max_queue=1) as socket:
        identity = connection_id(socket)
        assert failure(post_until_refused, target=target, identity=identity) == (429, "LimitExceededException")
        socket.close_socket()


def post_until_refused(target: Target, identity: str) -> None:
    post = target.management().post_to_connection
    for _ in range(800):
        post(ConnectionId=identity, Data=b"x" * MAX_DATA_BYTES)


# GET


def test_a_description_tells_when_and_from_where(target: Target) -> None:
    """Source: GetConnection in botocore's model of the management API."""
    with open_socket(target, user_agent_header="conformance/1") as socket:
        context = message_event(socket)["requestContext"]
        answer = target.management().get_connection(ConnectionId=context["connectionId"])
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    connected_at = datetime.fromtimestamp(context["connectedAt"] / 1000, UTC)
    assert abs(answer["ConnectedAt"] - connected_at) < timedelta(seconds=1)
    assert answer["Identity"] == {"SourceIp": context["identity"]["sourceIp"], "UserAgent": "conformance/1"}
    assert connected_at <= answer["LastActiveAt"] + timedelta(seconds=1)


def test_a_description_is_json_with_camel_case_members(target: Target, socket: ClientConnection) -> None:
    """Source: GetConnection in botocore's model of the management API (ISO 8601 times)."""
    path = f"/@connections/{quote(connection_id(socket))}"
    status, body = request(target, "GET", path, signed=True)
    description = json.loads(body)
    assert status == 200
    assert set(description) == {"connectedAt", "identity", "lastActiveAt"}
    assert datetime.fromisoformat(description["connectedAt"]).tzinfo is not None
    assert set(description["identity"]) == {"sourceIp", "userAgent"}


def test_a_message_makes_a_connection_active(target: Target, socket: ClientConnection) -> None:
    """Source: GetConnection in botocore's model of the management API (`lastActiveAt`)."""
    management, identity = target.management(), connection_id(socket)
    before = management.get_connection(ConnectionId=identity)["LastActiveAt"]
    with pytest.raises(TimeoutError):
        socket.recv(1.1)
    message_event(socket)
    assert management.get_connection(ConnectionId=identity)["LastActiveAt"] > before


# The gone, the malformed, the forbidden

CALLS = ["post_to_connection", "get_connection", "delete_connection"]


def arguments(call: str) -> dict[str, bytes]:
    return {"Data": b"x"} if call == "post_to_connection" else {}


@pytest.mark.parametrize("call", CALLS)
def test_a_closed_connection_is_gone(target: Target, call: str) -> None:
    """Source: GoneException in botocore's model of the management API."""
    with open_socket(target) as socket:
        identity = connection_id(socket)
    wait_for(target, identity, "DISCONNECT")
    method = getattr(target.management(), call)
    assert failure(method, ConnectionId=identity, **arguments(call)) == (410, "GoneException")


@pytest.mark.parametrize("call", CALLS)
def test_a_well_formed_unknown_id_is_gone(target: Target, call: str) -> None:
    """Source: localstack issue 4694, which quotes AWS."""
    method = getattr(target.management(), call)
    assert failure(method, ConnectionId=NEVER_DRAWN, **arguments(call)) == (410, "GoneException")


@pytest.mark.parametrize("call", CALLS)
def test_a_malformed_id_is_a_bad_request(target: Target, call: str) -> None:
    """Source: localstack issue 4694 and serverless-offline issue 749, which quote AWS."""
    with pytest.raises(ClientError) as failed:
        getattr(target.management(), call)(ConnectionId="nobody", **arguments(call))
    error = failed.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert error["Error"]["Code"] == "BadRequestException"
    assert error["Error"]["Message"] == "Invalid connectionId: nobody"


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_an_unsigned_request_is_forbidden(target: Target, socket: ClientConnection, method: str) -> None:
    """Source: "Use @connections commands in your backend service" (IAM authorization)."""
    path = f"/@connections/{quote(connection_id(socket))}"
    status, body = request(target, method, path, signed=False, body=b"x" if method == "POST" else b"")
    assert status == 403
    assert "message" in json.loads(body)
    assert "requestContext" in message_event(socket)  # it got nothing and was not closed


@pytest.mark.parametrize("stage", ["", "/absent"], ids=["no stage", "another stage"])
def test_the_endpoint_has_to_name_the_stage(target: Target, socket: ClientConnection, stage: str) -> None:
    """Source: aws-sdk-php issue 1955 (`{"message":"Forbidden"}` when the stage is missing from the endpoint)."""
    base = target.management_endpoint.rpartition("/")[0]
    elsewhere = dataclasses.replace(target, management_endpoint=base + stage)
    status, body = request(elsewhere, "GET", f"/@connections/{quote(connection_id(socket))}", signed=True)
    assert status == 403
    assert json.loads(body) == {"message": "Forbidden"}


# Paths


@pytest.mark.parametrize("prefix", ["/@connections/", "/%40connections/"])
def test_both_spellings_of_the_path_are_served(target: Target, socket: ClientConnection, prefix: str) -> None:
    """Source: "Use @connections commands in your backend service" (`/%40connections/R0oXAdfD0kwCH6w%3D`)."""
    path = prefix + quote(connection_id(socket))
    assert path.endswith("%3D")
    assert request(target, "POST", path, signed=True, body=b"spelled")[0] == 200
    assert receive(socket) == "spelled"


# The AWS command line


def aws(target: Target, command: str, identity: str, *more: str) -> subprocess.CompletedProcess[str]:
    # `=` because an id may begin with a dash.
    arguments = [command, f"--connection-id={identity}", "--endpoint-url", target.management_endpoint, *more]
    environment = dict(os.environ) | {"AWS_PAGER": "", "AWS_DEFAULT_REGION": target.region}
    if target.aws_endpoint is not None:
        environment |= {name.upper(): value for name, value in INVENTED_CREDENTIALS.items()}
    line = [sys.executable, "-m", "awscli", "apigatewaymanagementapi", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE_SECONDS, env=environment, check=False)


def test_the_command_line_posts(target: Target, socket: ClientConnection) -> None:
    """Source: `aws apigatewaymanagementapi post-to-connection help`."""
    done = aws(target, "post-to-connection", connection_id(socket), "--data", "from the command line")
    assert (done.returncode, done.stderr) == (0, "")
    assert receive(socket) == "from the command line"


def test_the_command_line_describes(target: Target, socket: ClientConnection) -> None:
    """Source: `aws apigatewaymanagementapi get-connection help`."""
    done = aws(target, "get-connection", connection_id(socket), "--output", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert set(json.loads(done.stdout)) == {"ConnectedAt", "Identity", "LastActiveAt"}


def test_the_command_line_deletes_and_then_finds_it_gone(target: Target) -> None:
    """Source: `aws apigatewaymanagementapi delete-connection help`; GoneException."""
    with open_socket(target) as socket:
        identity = connection_id(socket)
        assert aws(target, "delete-connection", identity).returncode == 0
    wait_for(target, identity, "DISCONNECT")
    again = aws(target, "delete-connection", identity)
    assert again.returncode != 0
    assert "GoneException" in again.stderr
