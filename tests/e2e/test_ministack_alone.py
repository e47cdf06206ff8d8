"""The stack as another program runs it: MiniStack's own gateway, pollers and Lambda executor, and none of ours.

What is deployed is `template.yaml` with the code of `src/`. Changed is only where code is uploaded from, where
functions find `@connections`, and what MiniStack cannot take (see `deployable`). It is slow, so the cases are few.
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import socket
import subprocess
import sys
import time
import uuid
import zipfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from samtranslator.yaml_helper import yaml_parse
from websockets.asyncio.client import ClientConnection, connect

from tests.patience import PATIENCE_SECONDS
from tests.servers.valkey import valkey

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
DEPLOY_SECONDS = 120.0
STOP_SECONDS = 15.0
ANSWER_SECONDS = 60.0
POLL_SECONDS = 0.1

BUCKET = "artifacts"
STACK_NAME = "alone"
ONLY_IN_THE_API = ("AWS::ApiGatewayV2::RouteResponse", "AWS::ApiGatewayV2::IntegrationResponse")
PARAMETERS = {
    "AuthMode": "none",
    "AllowedOrigins": "*",
    "AllowSynthetic": "true",
    "ComputeModules": "compute.documents,compute.synthetic",
    "GatewayLogRole": "keep",
}


@dataclass(frozen=True, slots=True)
class Deployed:
    """The deployed stack: its WebSocket API's URL, and its resources' physical ids by logical id."""

    aws_url: str
    websocket_url: str
    resources: Mapping[str, str]

    def rows(self, table: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = client(self.aws_url, "dynamodb").scan(
            TableName=self.resources[table], ConsistentRead=True
        )["Items"]
        return rows


def client(aws_url: str, service: str) -> Any:
    make_client: Any = boto3.client  # typed by services' names otherwise
    return make_client(
        service,
        endpoint_url=aws_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            retries={"total_max_attempts": 1},
            connect_timeout=2,
            read_timeout=PATIENCE_SECONDS,
            s3={"addressing_style": "path"},
        ),
    )


# Starting and deploying


@contextmanager
def ministack(folder: Path) -> Iterator[str]:
    """Run MiniStack on loopback, with everything that it writes in `folder`; give its URL."""
    port = _free_port()
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "ministack"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_environment(port, folder),
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_it_answers(url, process, log)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(port: int, folder: Path) -> dict[str, str]:
    """MiniStack's settings; its functions inherit them, and the switch that turns X-Ray off."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return inherited | {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "PERSIST_STATE": "0",
        "DOCKER_HOST": "unix:///nonexistent",
        "TMPDIR": str(folder),
        "AWS_XRAY_SDK_ENABLED": "false",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            client(url, "s3").create_bucket(Bucket=BUCKET)
        except (BotoCoreError, ClientError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"MiniStack did not start; it said:\n{log.read_text()[-4000:]}") from None
            time.sleep(POLL_SECONDS)
        else:
            return


def deployable(template: dict[str, Any], aws_url: str) -> dict[str, Any]:
    """Return the template with what MiniStack cannot take changed or left out."""
    resources = template["Resources"]
    for logical_id in [name for name, each in resources.items() if each["Type"] in ONLY_IN_THE_API]:
        del resources[logical_id]
    resources["WebSocketApi"].pop("DependsOn", None)  # on what the parameters leave out
    template["Globals"]["Function"]["CodeUri"] = f"s3://{BUCKET}/code.zip"
    management = {"Fn::Sub": f"{aws_url}/_aws/execute-api/${{WebSocketApi}}/v1"}
    for resource in resources.values():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":
            resource["Properties"].pop("ScalingConfig", None)  # its pollers compare the parameter's text with a number
        variables = resource.get("Properties", {}).get("Environment", {}).get("Variables", {})
        if "AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI" in variables:
            variables["AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI"] = management
    return template


def archive(folder: Path) -> bytes:
    """Return the function code as it is uploaded; its dependencies are those of the running Python."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as package:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                package.write(path, path.relative_to(folder))
    return packed.getvalue()


def deploy(aws_url: str, redis_url: str) -> Deployed:
    template = yaml_parse((ROOT / "template.yaml").read_text())
    ping_template = template["Resources"]["PingIntegrationResponse"]["Properties"]["ResponseTemplates"]
    s3, cloudformation = client(aws_url, "s3"), client(aws_url, "cloudformation")
    s3.put_object(Bucket=BUCKET, Key="code.zip", Body=archive(ROOT / "src"))
    body = json.dumps(deployable(template, aws_url))
    s3.put_object(Bucket=BUCKET, Key="template.json", Body=body.encode())
    parameters = PARAMETERS | {"CacheUrl": redis_url}
    cloudformation.create_stack(
        StackName=STACK_NAME,
        TemplateURL=f"{aws_url}/{BUCKET}/template.json",
        Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    _wait_until_created(cloudformation)
    described = cloudformation.describe_stack_resources(StackName=STACK_NAME)["StackResources"]
    resources = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in described}
    api_id = resources["WebSocketApi"]
    client(aws_url, "apigatewayv2").create_integration_response(
        ApiId=api_id,
        IntegrationId=resources["PingIntegration"].rpartition("/")[2],
        IntegrationResponseKey="$default",
        ResponseTemplates=ping_template,
    )
    websocket_url = f"{aws_url.replace('http', 'ws', 1)}/_aws/execute-api/{api_id}/v1"
    return Deployed(aws_url, websocket_url, resources)


def _wait_until_created(cloudformation: Any) -> None:
    deadline = time.monotonic() + DEPLOY_SECONDS
    while (stack := cloudformation.describe_stacks(StackName=STACK_NAME)["Stacks"][0])[
        "StackStatus"
    ] == "CREATE_IN_PROGRESS":
        assert time.monotonic() < deadline, "the stack was not created in time"
        time.sleep(POLL_SECONDS)
    if stack["StackStatus"] != "CREATE_COMPLETE":
        events = cloudformation.describe_stack_events(StackName=STACK_NAME)["StackEvents"]
        failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
        raise RuntimeError("\n".join(f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason')}" for e in failed))


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    with valkey() as redis_url, ministack(tmp_path_factory.mktemp("ministack")) as aws_url:
        yield deploy(aws_url, redis_url)


# Talking to it


@asynccontextmanager
async def connected(deployed: Deployed) -> AsyncIterator[ClientConnection]:
    async with connect(deployed.websocket_url, open_timeout=ANSWER_SECONDS, ping_interval=None) as socket:
        yield socket


async def receive(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(ANSWER_SECONDS):
        frame: dict[str, Any] = json.loads(await socket.recv())
    return frame


async def ask(socket: ClientConnection, message: Mapping[str, object]) -> dict[str, Any]:
    await socket.send(json.dumps(message))
    return await receive(socket)


async def outcome(socket: ClientConnection) -> dict[str, Any]:
    """Return the next frame that is not `accepted`."""
    frame = await receive(socket)
    return frame if frame["type"] != "accepted" else await outcome(socket)


def synthetic(**params: object) -> dict[str, object]:
    """A request that no other test shares a key with."""
    params = {"size_bytes": 100, "seed": uuid.uuid4().int % 1_000_000_000, **params}
    return {"action": "request", "id": uuid.uuid4().hex, "compute": "synthetic", "params": params}


async def test_a_connection_is_recorded_and_removed(deployed: Deployed) -> None:
    async with connected(deployed) as socket:
        welcome = await ask(socket, {"action": "hello", "id": "h"})
        recorded = {row["connection_id"]["S"]: row["tenant"]["S"] for row in deployed.rows("ConnectionsTable")}
    async with asyncio.timeout(ANSWER_SECONDS):
        while deployed.rows("ConnectionsTable"):  # noqa: ASYNC110 - another process removes it
            await asyncio.sleep(POLL_SECONDS)

    assert (welcome["type"], welcome["id"]) == ("welcome", "h")
    assert list(recorded.values()) == ["public"]


async def test_a_ping_is_answered_without_a_function(deployed: Deployed) -> None:
    async with connected(deployed) as socket:
        assert await ask(socket, {"action": "ping"}) == {"type": "pong"}


async def test_a_miss_is_accepted_and_its_result_pushed_and_then_it_is_a_hit(deployed: Deployed) -> None:
    request = synthetic()
    async with connected(deployed) as socket:
        miss = [await ask(socket, request), await receive(socket)]
        hit = await ask(socket, {**request, "id": "again"})

    # A result may overtake its `accepted`.
    assert {frame["type"] for frame in miss} == {"accepted", "result"}
    assert {frame["id"] for frame in miss} == {request["id"]}
    result = next(frame for frame in miss if frame["type"] == "result")
    assert result["cache"] == "miss"
    assert hit == {**result, "id": "again", "cache": "hit", "age_ms": hit["age_ms"]}


async def test_documents_are_read_from_their_index_and_their_objects(deployed: Deployed) -> None:
    put_document(deployed, "lakes", "CH", [{"name": "Léman", "km2": 580}, {"name": "Oeschinen", "km2": 1}])
    put_document(deployed, "lakes", "AT", [{"name": "Attersee", "km2": 46}])
    params = {"collection": "lakes", "query": "sort([?km2 > `10`].name)"}
    async with connected(deployed) as socket:
        await socket.send(json.dumps({"action": "request", "id": "d", "compute": "documents", "params": params}))
        frame = await outcome(socket)

    assert (frame["type"], frame["data"]) == ("result", ["Attersee", "Léman"])


def put_document(deployed: Deployed, collection: str, identity: str, content: object) -> None:
    key = f"documents/public/{collection}/{identity}.json"
    body = json.dumps(content).encode()
    stored = client(deployed.aws_url, "s3").put_object(Bucket=deployed.resources["StorageBucket"], Key=key, Body=body)
    client(deployed.aws_url, "dynamodb").put_item(
        TableName=deployed.resources["DocumentsTable"],
        Item={
            "collection": {"S": f"public/{collection}"},
            "id": {"S": identity},
            "object_key": {"S": key},
            "size_bytes": {"N": str(len(body))},
            "etag": {"S": stored["ETag"].strip('"')},
            "updated_at": {"S": "2026-01-01T00:00:00Z"},
        },
    )


async def test_a_compute_that_fails_ends_as_an_error(deployed: Deployed) -> None:
    request = synthetic(fail="always")
    async with connected(deployed) as socket:
        await socket.send(json.dumps(request))
        frame = await outcome(socket)

    assert (frame["type"], frame["id"], frame["error"]["code"]) == ("error", request["id"], "compute_failed")


async def test_an_unknown_compute_is_an_error_at_once(deployed: Deployed) -> None:
    async with connected(deployed) as socket:
        frame = await ask(socket, {"action": "request", "id": "u", "compute": "nothing"})

    assert (frame["type"], frame["id"], frame["error"]["code"]) == ("error", "u", "unknown_compute")
