"""The contract of `ClientConnections`, held by the lean client and by boto3's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotocoreCredentials

from push.adapters.aws.sigv4 import Credentials, Signer
from push.adapters.management.connections import ManagementConnections
from push.adapters.management.reference_connections import Boto3Connections
from push.delivery.ports import ClientConnections, PostOutcome
from tests.patience import PATIENCE_SECONDS
from tests.servers.management import CLOSE, DROP, GARBAGE, HANG, THROTTLED, ManagementServer, Post

DELIVERED, GONE, RETRY, REFUSED = PostOutcome.DELIVERED, PostOutcome.GONE, PostOutcome.RETRY, PostOutcome.REFUSED
TIMEOUT_SECONDS = 0.5


@pytest.fixture
async def server() -> AsyncIterator[ManagementServer]:
    server = ManagementServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(params=["lean", "boto3"])
async def connections(request: pytest.FixtureRequest, server: ManagementServer) -> AsyncIterator[ClientConnections]:
    if request.param == "lean":
        lean = lean_client(server.endpoint)
        yield lean
        lean.close()
        await asyncio.sleep(0)
    else:
        client = boto3_client(server.endpoint)
        yield Boto3Connections(client)
        client.close()


def lean_client(endpoint: str) -> ManagementConnections:
    signer = Signer(Credentials("AKID", "secret", "token"), service="execute-api", region="us-east-1")
    return ManagementConnections(endpoint, signer, push_seconds=TIMEOUT_SECONDS)


def boto3_client(endpoint: str):
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="AKID",
        aws_secret_access_key="secret",
        aws_session_token="token",
        config=Config(
            read_timeout=TIMEOUT_SECONDS, connect_timeout=1, retries={"mode": "standard", "total_max_attempts": 2}
        ),
    )


async def post(connections: ClientConnections, *connection_ids: str, frame: str = "{}") -> list[PostOutcome]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await connections.post_all([(connection_id, frame) for connection_id in connection_ids])


async def test_nothing_to_send_is_nothing(connections: ClientConnections, server: ManagementServer) -> None:
    assert await post(connections) == []
    assert server.posts == []


@pytest.mark.parametrize(
    "frame", ["{}", '{"text":"\u00fc\U0001f600\uffff"}', "x" * 131_072], ids=["short", "text", "long"]
)
async def test_a_frame_arrives_as_it_is(connections: ClientConnections, server: ManagementServer, frame: str) -> None:
    assert await post(connections, "Kx8cfdPHIAMCJzA=", frame=frame) == [DELIVERED]
    assert server.frames["Kx8cfdPHIAMCJzA="] == [frame]


@pytest.mark.parametrize("connection_id", ["a=", "a/b=", "a+b=", "a b", "a%3D", "-_.~"])
async def test_an_id_is_encoded_in_the_path(
    connections: ClientConnections, server: ManagementServer, connection_id: str
) -> None:
    assert await post(connections, connection_id) == [DELIVERED]
    assert server.posts[0].path.replace("@", "%40") == f"/v1/%40connections/{quote(connection_id, safe='')}"


async def test_a_request_is_signed_as_aws_checks_it(connections: ClientConnections, server: ManagementServer) -> None:
    await post(connections, "Kx8cfdPHIAMCJzA=", frame='{"a":1}')
    (received,) = server.posts
    assert received.headers["authorization"].endswith(f"Signature={expected_signature(received)}")


def expected_signature(received: Post) -> str:
    """Sign what arrived as botocore does, over the headers that were signed."""
    signed = received.headers["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    headers = {name: received.headers[name] for name in signed}
    request = AWSRequest("POST", f"http://{received.headers['host']}{received.path}", headers, received.body)
    request.context["timestamp"] = received.headers["x-amz-date"]
    auth = SigV4Auth(BotocoreCredentials("AKID", "secret", "token"), "execute-api", "us-east-1")
    return auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, DELIVERED), (400, REFUSED), (403, REFUSED), (410, GONE), (413, REFUSED)]
)
async def test_each_status_has_its_outcome_at_the_first_try(
    connections: ClientConnections, server: ManagementServer, status: int, outcome: PostOutcome
) -> None:
    server.always["ann="] = status
    assert await post(connections, "ann=") == [outcome]
    assert len(server.posts) == 1


@pytest.mark.parametrize("behaviour", [429, THROTTLED, 500, 503, DROP, GARBAGE, HANG])
async def test_what_may_pass_is_to_be_tried_again(
    connections: ClientConnections, server: ManagementServer, behaviour: int | str
) -> None:
    server.always["ann="] = behaviour
    assert await post(connections, "ann=") == [RETRY]


async def test_outcomes_are_in_the_order_of_the_frames(
    connections: ClientConnections, server: ManagementServer
) -> None:
    server.always = {"gone=": 410, "slow=": 429, "large=": 413, "lost=": DROP}
    ids = ["fine=", "gone=", "slow=", "also=", "large=", "lost=", "last="]
    assert await post(connections, *ids) == [DELIVERED, GONE, RETRY, DELIVERED, REFUSED, RETRY, DELIVERED]


async def test_a_connection_broken_off_once_costs_no_frame(
    connections: ClientConnections, server: ManagementServer
) -> None:
    server.behaviours["ann="] = [DROP]
    assert await post(connections, "ann=") == [DELIVERED]
    assert len(server.frames["ann="]) == 1


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_service_that_closes_its_connections_costs_no_frame(
    connections: ClientConnections, server: ManagementServer, is_told: bool
) -> None:
    server.always["ann="] = CLOSE if is_told else 200
    server.closes_idle_connections = True
    for _ in range(3):
        assert await post(connections, "ann=") == [DELIVERED]
    assert len(server.frames["ann="]) == 3


async def test_connections_are_used_again(connections: ClientConnections, server: ManagementServer) -> None:
    for _ in range(5):
        await post(connections, "ann=")
    assert server.connections == 1


async def test_many_connections_that_died_while_idle_cost_no_frame(
    connections: ClientConnections, server: ManagementServer
) -> None:
    ids = [f"{number}=" for number in range(60)]
    assert set(await post(connections, *ids)) == {DELIVERED}
    server.always = dict.fromkeys(ids, 200)
    server.drop_all()
    assert set(await post(connections, *ids)) == {DELIVERED}


async def test_a_connection_that_hangs_stops_no_other(connections: ClientConnections, server: ManagementServer) -> None:
    server.always["slow="] = HANG
    outcomes = await post(connections, "slow=", *(f"{number}=" for number in range(40)))
    assert outcomes == [RETRY] + [DELIVERED] * 40


async def test_where_nobody_listens_everything_is_to_be_tried_again(
    connections: ClientConnections, server: ManagementServer
) -> None:
    await server.stop()
    assert await post(connections, "ann=", "ben=") == [RETRY, RETRY]


async def test_frames_of_one_connection_are_all_sent(connections: ClientConnections, server: ManagementServer) -> None:
    frames = [("ann=", f'"{number}"') for number in range(120)]
    assert set(await connections.post_all(frames)) == {DELIVERED}
    assert sorted(server.frames["ann="]) == sorted(frame for _, frame in frames)


async def test_the_lean_client_keeps_at_most_its_number_of_connections(server: ManagementServer) -> None:
    lean = lean_client(server.endpoint)
    await post(lean, *(f"{number}=" for number in range(300)))
    assert 1 < server.most_open <= 50
    lean.close()


async def test_the_lean_client_tries_again_on_a_connection_of_its_own_making(server: ManagementServer) -> None:
    """After a freeze every kept-alive connection may be dead, and only the write shows it."""
    lean = lean_client(server.endpoint)
    ids = [f"{number}=" for number in range(10)]
    await post(lean, *ids)
    server.drops_kept_connections = True
    assert await post(lean, "ann=") == [DELIVERED]
    lean.close()
