"""Our own client of AWS's JSON protocols, against a server that misbehaves as told."""

from __future__ import annotations

import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from botocore.exceptions import ClientError, HTTPClientError

from push.adapters.aws import retries
from push.adapters.aws.connection_pool import Timeouts
from push.adapters.aws.json_client import JsonClient
from push.adapters.aws.sigv4 import Credentials, Signer

SIGNER = Signer(Credentials("AKIDEXAMPLE", "secret"), service="dynamodb", region="us-east-1")
CUT = b""
SILENCE = None
ECHO = b"echo"
Step = bytes | None


def answer(body: bytes = b"{}", status: str = "200 OK", **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode() + body


@dataclass
class Served:
    """What a server was asked, on how many connections."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    def client(self, read: float = 5.0) -> JsonClient:
        return JsonClient("dynamodb", f"http://127.0.0.1:{self.port}", SIGNER, Timeouts(connect=1.0, read=read))


@contextmanager
def serving(*steps: Step) -> Iterator[Served]:
    """Serve the steps one after the other, each to the next request: bytes, a cut, or silence."""
    waiting = list(steps)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        served = Served(listening.getsockname()[1])

        def serve(connection: socket.socket) -> None:
            with connection:
                while data := connection.recv(65536):
                    served.requests.append(data)
                    step = waiting.pop(0) if waiting else CUT
                    if step == CUT:
                        return
                    if step is not SILENCE:
                        connection.sendall(answer(data.partition(b"\r\n\r\n")[2]) if step == ECHO else step)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                served.connections += 1
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield served


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "LONGEST_PAUSE_SECONDS", 0.001)


def test_names_the_operation_and_signs_what_it_sends() -> None:
    with serving(answer(b'{"Item":{}}')) as served:
        assert served.client().get_item(TableName="t", Key={"id": {"S": "1"}}) == {"Item": {}}
    head, _, body = served.requests[0].partition(b"\r\n\r\n")
    assert body == b'{"TableName":"t","Key":{"id":{"S":"1"}}}'
    assert head.startswith(b"POST / HTTP/1.1\r\n")
    assert b"\r\nx-amz-target: DynamoDB_20120810.GetItem\r\n" in head
    assert b"SignedHeaders=content-type;host;x-amz-date;x-amz-target, " in head


def test_keeps_its_connection() -> None:
    with serving(answer(), answer()) as served:
        client = served.client()
        client.put_item(TableName="t")
        client.put_item(TableName="t")
        assert served.connections == 1


def test_connects_anew_where_the_kept_connection_is_dead_and_counts_no_try() -> None:
    with serving(answer(), CUT, CUT, CUT, answer(b'{"a":1}')) as served:
        client = served.client()
        client.put_item(TableName="t")
        assert client.put_item(TableName="t") == {"a": 1}


def test_gives_up_a_connection_that_the_server_closes() -> None:
    with serving(answer(connection="close"), answer()) as served:
        client = served.client()
        client.put_item(TableName="t")
        client.put_item(TableName="t")
        assert served.connections == 2


def test_binary_attributes_go_as_base64_and_come_as_bytes() -> None:
    with serving(answer(b'{"Item":{"a":{"B":"AAH/"},"m":{"M":{"B":{"S":"B"}}},"l":{"L":[{"B":""}]}}}')) as served:
        given = served.client().put_item(Item={"a": {"B": b"\x00\x01\xff"}})
        assert b'{"Item":{"a":{"B":"AAH/"}}}' in served.requests[0]
    assert given["Item"] == {"a": {"B": b"\x00\x01\xff"}, "m": {"M": {"B": {"S": "B"}}}, "l": {"L": [{"B": b""}]}}


TEMPORARY: list[Step] = [
    answer(b"", "500 Internal Server Error"),
    answer(b"not JSON", "503 Service Unavailable"),
    answer(b'{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}', "400 Bad Request"),
    answer(b"{}", "200 OK", x_amz_crc32="1"),
    b"not HTTP\r\n\r\n",
    CUT,
]


@pytest.mark.parametrize("trouble", TEMPORARY, ids=["500", "503", "throttled", "damaged", "not HTTP", "cut"])
def test_tries_three_times_what_may_pass(trouble: Step) -> None:
    with serving(trouble, trouble, answer(b'{"a":1}')) as served:
        assert served.client().update_item(TableName="t") == {"a": 1}
        assert len(served.requests) == 3


def test_tries_again_after_silence() -> None:
    with serving(SILENCE, answer(b'{"a":1}')) as served:
        assert served.client(read=0.05).update_item(TableName="t") == {"a": 1}


def test_keeps_no_other_connection_where_one_is_silent() -> None:
    with serving(answer(), answer(), SILENCE, answer(b'{"a":1}')) as served:
        client, other = served.client(read=0.05), served.client()
        client.put_item(TableName="t")
        other.put_item(TableName="t")
        client._kept._idle.appendleft(other._kept._idle.pop())
        assert client.put_item(TableName="t") == {"a": 1}
        assert served.connections == 3


@pytest.mark.parametrize("trouble", TEMPORARY[:3], ids=["500", "503", "throttled"])
def test_raises_the_services_error_after_three_tries(trouble: Step) -> None:
    with serving(trouble, trouble, trouble, answer()) as served, pytest.raises(ClientError):
        served.client().update_item(TableName="t")
    assert len(served.requests) == 3


def test_raises_what_boto3_raises_where_nobody_answers() -> None:
    with serving(CUT, CUT, CUT) as served, pytest.raises(HTTPClientError):
        served.client().update_item(TableName="t")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(HTTPClientError):
        Served(port).client().update_item(TableName="t")


def test_an_error_of_the_callers_is_not_tried_again_and_says_what_boto3s_says() -> None:
    body = b'{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException","message":"no","Item":{}}'
    with (
        serving(answer(body, "400 Bad Request", x_amzn_RequestId="r1")) as served,
        pytest.raises(ClientError) as raised,
    ):
        served.client().put_item(TableName="t")
    assert len(served.requests) == 1
    assert raised.value.operation_name == "PutItem"
    assert raised.value.response == {
        "Item": {},
        "Error": {"Code": "ConditionalCheckFailedException", "Message": "no"},
        "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "r1"},
    }


def test_a_checksum_that_fits_is_fine() -> None:
    with serving(answer(b'{"a":1}', x_amz_crc32=str(zlib.crc32(b'{"a":1}')))) as served:
        assert served.client().get_item(TableName="t") == {"a": 1}


def test_threads_do_not_get_each_others_answers() -> None:
    results: dict[int, list[object]] = {}
    with serving(*[ECHO] * 400) as served:
        client = served.client()

        def call(number: int) -> None:
            results[number] = [client.query(Number=number, Turn=turn) for turn in range(50)]

        _join([threading.Thread(target=call, args=(number,)) for number in range(8)])
    assert results == {number: [{"Number": number, "Turn": turn} for turn in range(50)] for number in range(8)}


def _join(threads: list[threading.Thread]) -> None:
    step: Callable[[threading.Thread], None]
    for step in (threading.Thread.start, threading.Thread.join):
        for thread in threads:
            step(thread)
