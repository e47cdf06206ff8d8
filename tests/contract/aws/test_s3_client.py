"""Our own client of S3: what boto3's returns, sends and signs, and a server that misbehaves as told."""

from __future__ import annotations

import base64
import contextlib
import gc
import hashlib
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote, urlsplit

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, ParamValidationError
from hypothesis import given, settings
from hypothesis import strategies as st

from push.adapters.aws import http as http_connections
from push.adapters.aws import retries, s3_client
from push.adapters.aws.connection_pool import Timeouts
from push.adapters.aws.http_streams import Body, StreamingConnection
from push.adapters.aws.s3_client import S3Client
from push.adapters.aws.sigv4 import Credentials, Signer
from tests.servers.aws import Aws
from tests.servers.webhook_receivers import make_authority

REGION_ENDPOINT = "https://s3.eu-west-1.amazonaws.com"
CUT = b""
SILENCE = None
Step = bytes | None
"""Bytes and the next request, a cut, or silence."""


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    fields = {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def error(code: str, status: str, **fields: str) -> bytes:
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in {"Code": code, "Message": "no", **fields}.items())
    return answer(f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode(), status)


def lean(endpoint: str, token: str = "", read: float = 5.0) -> S3Client:
    signer = Signer(Credentials("AKIDEXAMPLE", "secret", token), service="s3", region="eu-west-1")
    return S3Client(endpoint, signer, Timeouts(connect=1.0, read=read))


@cache
def by_boto3(endpoint: str | None, token: str = "") -> Any:
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
        retries={"total_max_attempts": 1},
    )
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        config=config,
        region_name="eu-west-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        aws_session_token=token or None,
    )


@dataclass
class Served:
    """What a server was asked, on how many connections."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, read: float = 5.0) -> S3Client:
        return lean(self.endpoint, read=read)

    def get(self, **parameters: Any) -> Any:
        return self.client().get_object(Bucket="storage", Key="a", **parameters)


def read_request(connection: socket.socket) -> bytes:
    """Return a whole request, or nothing at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65536)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-len")]
    while len(body) < sum(lengths):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def serving(*steps: Step, tls: ssl.SSLContext | None = None) -> Iterator[Served]:
    """Serve the steps one after the other, each to the next request; what is shorter than it says ends in a cut."""
    waiting = list(steps)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        served = Served(listening.getsockname()[1])

        def serve(connection: socket.socket) -> None:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection, contextlib.suppress(ConnectionError):
                while request := read_request(connection):
                    served.requests.append(request)
                    step = waiting.pop(0) if waiting else CUT
                    if step is not SILENCE:
                        connection.sendall(step)
                        if step == CUT or is_short(step):
                            return

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


def is_short(step: bytes) -> bool:
    head, _, body = step.partition(b"\r\n\r\n")
    length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
    return len(body) < int(length) if length else b"chunked" not in head


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retries, "LONGEST_PAUSE_SECONDS", 0.001)


def without_time(url: str) -> str:
    return url.partition("X-Amz-Date=")[0]


class TestLinks:
    @settings(max_examples=200, deadline=None)
    @given(
        key=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
        | st.text("ab/.~%+ ?#&=*'()\\é", min_size=1, max_size=40),
        bucket=st.sampled_from(("storage", "my.bucket", "under_score", "a1-b", "Upper")),
        seconds=st.integers(1, 604_800),
        moment=st.integers(0, 10**9),
        token=st.sampled_from(("", "session/token+with=signs&~é")),
        endpoint=st.sampled_from((None, "https://s3.dualstack.eu-west-1.amazonaws.com")),
    )
    def test_a_link_is_botocores_to_the_letter(
        self, key: str, bucket: str, seconds: int, moment: int, token: str, endpoint: str | None
    ) -> None:
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=moment)
        params = {"Bucket": bucket, "Key": key}
        with mock.patch("botocore.auth.get_current_datetime", return_value=now.replace(tzinfo=None)):
            theirs = by_boto3(endpoint, token).generate_presigned_url("get_object", Params=params, ExpiresIn=seconds)
        with mock.patch.object(s3_client, "timestamp", return_value=now.strftime("%Y%m%dT%H%M%SZ")):
            client = lean(endpoint or REGION_ENDPOINT, token)
            assert client.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds) == theirs

    @pytest.mark.parametrize(
        "endpoint",
        ["http://127.0.0.1:5000", "http://[::1]:5000", "https://10.0.0.1", "http://objects.example:9000"],
    )
    def test_it_leads_where_boto3s_does(self, endpoint: str) -> None:
        params = {"Bucket": "storage", "Key": "a"}
        links = [
            client.generate_presigned_url("get_object", Params=params)
            for client in (lean(endpoint), by_boto3(endpoint))
        ]
        assert without_time(links[0]) == without_time(links[1])

    def test_on_this_machine_the_bucket_is_in_the_path_for_its_names_have_no_subdomains(self) -> None:
        link = lean("http://localhost:5000").generate_presigned_url("get_object", Params={"Bucket": "b12", "Key": "a"})
        assert link.startswith("http://localhost:5000/b12/a?")

    def test_the_schemes_own_port_is_left_out_as_whoever_follows_it_does(self) -> None:
        link = lean("https://objects.example:443").generate_presigned_url(
            "get_object", Params={"Bucket": "b", "Key": "a"}
        )
        assert urlsplit(link).netloc == "objects.example"

    def test_links_are_made_for_getting_alone(self) -> None:
        with pytest.raises(ValueError, match="put_object"):
            lean(REGION_ENDPOINT).generate_presigned_url("put_object", Params={"Bucket": "b", "Key": "a"})


class TestRequests:
    @pytest.mark.parametrize("body", [b"", b"1234"])
    def test_what_is_sent_is_signed_as_botocore_does(self, body: bytes) -> None:
        key = "a b//../ü+%.json"
        with serving(answer(ETag='"e"')) as served:
            client = lean(served.endpoint, "token")
            client.put_object(Bucket="storage", Key=key, Body=body, ContentType="application/json", IfMatch='"e"')
        head, _, sent = served.requests[0].partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        assert sent == body
        assert headers["x-amz-content-sha256"] == hashlib.sha256(body).hexdigest()
        assert headers["x-amz-checksum-crc32"] == base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()
        path = f"/storage/{quote(key)}"
        assert first == f"PUT {path} HTTP/1.1"
        unsigned = {"authorization", "content-length", "x-amz-date", "x-amz-security-token"}
        request = AWSRequest(
            "PUT", f"{served.endpoint}{path}", {n: headers[n] for n in headers.keys() - unsigned}, body
        )
        moment = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        with mock.patch("botocore.auth.get_current_datetime", return_value=moment.replace(tzinfo=None)):
            S3SigV4Auth(BotocoreCredentials("AKIDEXAMPLE", "secret", "token"), "s3", "eu-west-1").add_auth(request)
        assert headers["authorization"] == request.headers["Authorization"]
        assert "content-type;host;if-match;x-amz-checksum-crc32;x-amz-content-sha256" in headers["authorization"]

    def test_it_keeps_its_connection(self) -> None:
        with serving(answer(b"1"), answer(b"2"), answer()) as served:
            client = served.client()
            for content in (b"1", b"2"):
                assert client.get_object(Bucket="storage", Key="a")["Body"].read() == content
            client.put_object(Bucket="storage", Key="a", Body=b"3")
            assert served.connections == 1

    def test_it_connects_anew_where_the_kept_connection_is_dead_and_counts_no_try(self) -> None:
        with serving(answer(b"1"), CUT, CUT, CUT, answer(b"2")) as served:
            client = served.client()
            client.get_object(Bucket="storage", Key="a")
            assert client.get_object(Bucket="storage", Key="a")["Body"].read() == b"2"

    def test_kept_connections_are_given_up_together_where_one_is_silent(self) -> None:
        both, exchange_head = threading.Barrier(2), StreamingConnection.exchange_head

        def together(connection: StreamingConnection, *arguments: Any, **options: Any) -> Body:
            both.wait(5)
            return exchange_head(connection, *arguments, **options)

        with serving(answer(b"1"), answer(b"1"), SILENCE, answer(b"2")) as served:
            client = served.client(read=1.0)
            with mock.patch.object(StreamingConnection, "exchange_head", together), ThreadPoolExecutor(2) as threads:
                list(threads.map(lambda _turn: client.get_object(Bucket="storage", Key="a"), range(2)))
            assert client.get_object(Bucket="storage", Key="a")["Body"].read() == b"2"
            assert served.connections == 3

    def test_it_gives_up_a_connection_that_the_server_closes(self) -> None:
        with serving(answer(b"1", Connection="close"), answer(b"2")) as served:
            client = served.client()
            for content in (b"1", b"2"):
                assert client.get_object(Bucket="storage", Key="a")["Body"].read() == content
            assert served.connections == 2

    @pytest.mark.parametrize("parameters", [{"Bucket": "b"}, {"Key": "a"}, {"Bucket": "b", "Key": ""}])
    def test_an_object_without_a_name_is_not_asked_for(self, parameters: dict[str, str]) -> None:
        with pytest.raises(ParamValidationError):
            lean("http://127.0.0.1:1").get_object(**parameters)

    def test_a_parameter_that_it_does_not_know_is_not_left_out_in_silence(self) -> None:
        with pytest.raises(ParamValidationError):
            lean("http://127.0.0.1:1").put_object(Bucket="b", Key="a", Body=b"", ACL="private")

    def test_threads_do_not_get_each_others_objects(self, aws_by_lean: Aws) -> None:
        client = aws_by_lean.client("s3")
        got: dict[int, list[bytes]] = {}

        def call(number: int) -> None:
            names = [f"{number}/{turn}" for turn in range(10)]
            for name in names:
                client.put_object(Bucket=aws_by_lean.bucket, Key=name, Body=name.encode())
            got[number] = [client.get_object(Bucket=aws_by_lean.bucket, Key=name)["Body"].read() for name in names]

        threads = [threading.Thread(target=call, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == {number: [f"{number}/{turn}".encode() for turn in range(10)] for number in range(4)}


class TestAnswers:
    def test_an_object_is_described_as_boto3_describes_it(self, aws_by_lean: Aws, aws_by_boto3: Aws) -> None:
        clients = [each.client("s3") for each in (aws_by_lean, aws_by_boto3)]
        place = {"Bucket": aws_by_lean.bucket, "Key": "a/ü b+c.json"}
        for client in clients:
            client.put_object(**place, Body=b"[1]", ContentType="application/json", ContentEncoding="gzip")
            ours, theirs = (each.get_object(**place) for each in clients)
            assert ours["Body"].read() == theirs["Body"].read() == b"[1]"
            for name in ("ContentLength", "ContentType", "ContentEncoding", "ETag"):
                assert ours[name] == theirs[name]

    @pytest.mark.parametrize(
        "step",
        [
            error("NoSuchKey", "404 Not Found", Key="a &amp; b", RequestId="r", HostId="h"),
            error("NoSuchBucket", "404 Not Found"),
            error("AccessDenied", "403 Forbidden"),
            error("PreconditionFailed", "412 Precondition Failed", Condition="If-Match"),
            error("SlowDown", "503 Slow Down"),
            answer(b"", "304 Not Modified", x_amz_request_id="r1", x_amz_id_2="h1"),
            answer(b"", "404 Not Found"),
            answer(b"no XML", "403 Forbidden"),
            answer(b"<Error><Code>Cut", "403 Forbidden"),
        ],
        ids=lambda step: step.split(b"\r\n")[0].decode(),
    )
    def test_an_error_says_what_boto3s_says(self, step: bytes) -> None:
        raised = []
        for make in (lean, by_boto3):
            with serving(*[step] * 3) as served, pytest.raises(ClientError) as caught:
                make(served.endpoint).get_object(Bucket="storage", Key="a", IfNoneMatch='"e"')
            raised.append(caught.value)
        ours, theirs = raised
        assert ours.operation_name == theirs.operation_name == "GetObject"
        assert ours.response["Error"] == theirs.response["Error"]
        for name in ("HTTPStatusCode", "RequestId", "HostId"):
            assert ours.response["ResponseMetadata"][name] == theirs.response["ResponseMetadata"].get(name, "")

    def test_an_error_that_declares_entities_is_not_expanded(self) -> None:
        document = b'<!DOCTYPE e [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><Error><Code>&b;</Code></Error>'
        with serving(answer(document, "403 Forbidden")) as served, pytest.raises(ClientError) as caught:
            served.get()
        assert caught.value.response["Error"]["Code"] == "403"

    def test_a_body_is_read_in_parts_too(self) -> None:
        with serving(answer(b"123456")) as served:
            body = served.get()["Body"]
        assert [body.read(4), body.read(4), body.read(4), body.read()] == [b"1234", b"56", b"", b""]

    def test_a_body_of_unknown_length_is_read_to_its_end(self) -> None:
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        with serving(chunked) as served:
            got = served.get()
        assert got["Body"].read() == b"abcde"
        assert "ContentLength" not in got


TEMPORARY: dict[str, Step] = {
    "slow down": error("SlowDown", "503 Slow Down"),
    "internal": error("InternalError", "500 Internal Server Error"),
    "too slow": error("RequestTimeout", "400 Bad Request"),
    "cut": CUT,
    "cut in the body": answer(b"12", Content_Length="5"),
    "cut in the head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "longer than it says": answer(b"12345678", Content_Length="5"),
    "damaged": answer(b"12345", x_amz_checksum_crc32="AAAAAA=="),
    "not HTTP": b"not HTTP\r\n\r\n",
    "without a length": b"HTTP/1.1 200 OK\r\n\r\n12",
}


class TestTries:
    @pytest.mark.parametrize("trouble", TEMPORARY.values(), ids=TEMPORARY.keys())
    def test_what_may_pass_is_tried_three_times(self, trouble: Step) -> None:
        with serving(trouble, trouble, answer(b"12345")) as served:
            assert served.client().get_object(Bucket="storage", Key="a")["Body"].read() == b"12345"
            assert len(served.requests) == 3

    @pytest.mark.parametrize("trouble", TEMPORARY.values(), ids=TEMPORARY.keys())
    def test_after_three_tries_it_is_an_error_and_never_a_short_body(self, trouble: Step) -> None:
        with serving(*[trouble] * 3, answer(b"12345")) as served, pytest.raises((ClientError, HTTPClientError)):
            served.client().get_object(Bucket="storage", Key="a")
        assert len(served.requests) == 3

    @pytest.mark.parametrize("trouble", [error("SlowDown", "503 Slow Down"), CUT], ids=["slow down", "cut"])
    def test_a_body_is_sent_anew(self, trouble: Step) -> None:
        content = bytes(range(256)) * 4096
        with serving(trouble, answer(ETag='"e"')) as served:
            assert served.client().put_object(Bucket="storage", Key="a", Body=content)["ETag"] == '"e"'
        assert [each.partition(b"\r\n\r\n")[2] for each in served.requests] == [content] * 2

    def test_silence_is_waited_for_so_long_as_was_said(self) -> None:
        started = time.monotonic()
        with serving(SILENCE, SILENCE, SILENCE) as served, pytest.raises(HTTPClientError):
            served.client(read=0.05).get_object(Bucket="storage", Key="a")
        assert time.monotonic() - started < 2

    def test_what_is_the_callers_fault_is_not_tried_again(self) -> None:
        with serving(error("NoSuchKey", "404 Not Found")) as served, pytest.raises(ClientError):
            served.get()
        assert len(served.requests) == 1


def large(content: bytes, **headers: str) -> bytes:
    checksum = base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()
    return answer(content, **{"x_amz_checksum_crc32": checksum, **headers})


class TestLargeObjects:
    """Beyond what is read within the tries, a body comes as it is read."""

    CONTENT = bytes(range(256)) * 1024

    @pytest.fixture(autouse=True)
    def sooner(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(s3_client, "WHOLE_BYTES", 1000)

    def test_it_comes_whole_and_in_parts(self) -> None:
        with serving(large(self.CONTENT), large(self.CONTENT)) as served:
            assert served.get()["Body"].read() == self.CONTENT
            body = served.get()["Body"]
            assert body.read(100_000) + body.read(100_000) + body.read() == self.CONTENT

    def test_its_length_is_known_before_it_is_read(self) -> None:
        with serving(answer(b"", Content_Length="5000000000000")) as served:
            assert served.get()["ContentLength"] == 5_000_000_000_000

    @pytest.mark.parametrize(
        "step",
        [
            answer(CONTENT, Content_Length=str(len(CONTENT) + 1)),
            large(CONTENT, x_amz_checksum_crc32="AAAAAA=="),
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"3e8\r\n" + b"a" * 1000 + b"\r\n5\r\nab",
        ],
        ids=["cut", "damaged", "chunked and silent"],
    )
    def test_what_does_not_come_whole_is_an_error_however_often_it_is_read(self, step: bytes) -> None:
        with serving(step) as served:
            body = served.client(read=1.0).get_object(Bucket="storage", Key="a")["Body"]
            for _ in range(2):
                with pytest.raises(BotoCoreError):
                    body.read()

    def test_what_is_not_read_is_given_up_with_its_connection(self) -> None:
        with serving(large(self.CONTENT), answer(b"2")) as served:
            client = served.client()
            client.get_object(Bucket="storage", Key="a")
            gc.disable()
            try:
                assert client.get_object(Bucket="storage", Key="a")["Body"].read() == b"2"
            finally:
                gc.enable()
            assert served.connections == 2

    def test_a_body_that_is_closed_is_not_read(self) -> None:
        with serving(large(self.CONTENT)) as served:
            body = served.get()["Body"]
            body.close()
            with pytest.raises(BotoCoreError):
                body.read()


def test_a_refusal_that_comes_before_all_is_sent_is_heard() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(error("AccessDenied", "403 Forbidden"))

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        client = lean(f"http://127.0.0.1:{listening.getsockname()[1]}")
        with pytest.raises(ClientError, match="AccessDenied"):
            client.put_object(Bucket="storage", Key="a", Body=bytes(30_000_000))
        thread.join()


def test_it_speaks_tls_and_connects_anew_where_the_kept_connection_is_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, content = make_authority(tmp_path), bytes(range(256)) * 20_000
    trusted = authority.client_context
    monkeypatch.setattr(http_connections, "tls_context", lambda: trusted)
    steps = (answer(), answer(content), CUT, CUT, CUT, answer(b"2"))
    with serving(*steps, tls=authority.server_context("127.0.0.1")) as served:
        client = lean(f"https://127.0.0.1:{served.port}")
        client.put_object(Bucket="storage", Key="a", Body=content)
        assert served.requests[0].endswith(content)
        assert client.get_object(Bucket="storage", Key="a")["Body"].read() == content
        assert client.get_object(Bucket="storage", Key="a")["Body"].read() == b"2"
        assert served.connections == 4


def test_an_object_of_tens_of_megabytes_goes_there_and_back(aws_by_lean: Aws) -> None:
    content, client = bytes(range(256)) * 100_000, aws_by_lean.client("s3")
    client.put_object(Bucket=aws_by_lean.bucket, Key="large", Body=content)
    assert client.get_object(Bucket=aws_by_lean.bucket, Key="large")["Body"].read() == content
