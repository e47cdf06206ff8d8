"""Documents are found by the index in DynamoDB and loaded from S3."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from push.adapters.dynamodb.documents import DynamoDbDocuments
from push.adapters.s3.documents import S3Documents
from push.computes import Tenant
from push.errors import ComputeFailedError, ErrorCode, SourceThrottledError, TransientError
from push.sources.documents import Reference
from tests.servers.aws import Aws

ACME = Tenant("acme")


@pytest.fixture
def index(aws: Aws) -> DynamoDbDocuments:
    return DynamoDbDocuments(aws.client("dynamodb"), aws.tables["documents"])


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


@pytest.fixture
def store(aws: Aws, threads: ThreadPoolExecutor) -> S3Documents:
    return S3Documents(client=aws.client("s3"), bucket=aws.bucket, executor=threads)


def ids(references: list[Reference]) -> list[str]:
    return [reference.document_id for reference in references]


class TestIndex:
    def test_documents_are_found_by_id(self, aws: Aws, index: DynamoDbDocuments) -> None:
        aws.index_document("acme", "airports", "TX", "documents/acme/airports/TX.json", 12)
        assert index.find(ACME, "airports", ["TX"]) == [Reference("TX", "documents/acme/airports/TX.json", 12)]

    def test_absent_ids_are_left_out(self, aws: Aws, index: DynamoDbDocuments) -> None:
        aws.index_document("acme", "airports", "TX", "key", 1)
        assert ids(index.find(ACME, "airports", ["TX", "ZZ"])) == ["TX"]

    def test_more_ids_than_a_call_takes_are_found(self, aws: Aws, index: DynamoDbDocuments) -> None:
        names = [f"{number:03}" for number in range(230)]
        for name in names[::10]:
            aws.index_document("acme", "many", name, "key", 1)
        assert sorted(ids(index.find(ACME, "many", names))) == names[::10]

    def test_a_collection_is_listed_in_order_of_id_up_to_a_limit(self, aws: Aws, index: DynamoDbDocuments) -> None:
        for name in ("b", "c", "a"):
            aws.index_document("acme", "letters", name, "key", 1)
        assert ids(index.list_all(ACME, "letters", limit=10)) == ["a", "b", "c"]
        assert ids(index.list_all(ACME, "letters", limit=2)) == ["a", "b"]

    def test_an_absent_collection_is_empty(self, index: DynamoDbDocuments) -> None:
        assert index.list_all(ACME, "nothing", limit=10) == []

    def test_another_tenants_documents_are_not_found(self, aws: Aws, index: DynamoDbDocuments) -> None:
        aws.index_document("other", "airports", "TX", "key", 1)
        assert index.find(ACME, "airports", ["TX"]) == []
        assert index.list_all(ACME, "airports", limit=10) == []

    def test_a_table_that_is_not_there_is_transient(self, aws: Aws) -> None:
        index = DynamoDbDocuments(aws.client("dynamodb"), "absent")
        with pytest.raises(TransientError):
            index.find(ACME, "airports", ["TX"])
        with pytest.raises(TransientError):
            index.list_all(ACME, "airports", limit=1)


def reference(name: str) -> Reference:
    return Reference(name, f"documents/acme/letters/{name}.json", 1)


class TestStore:
    async def test_documents_come_in_the_order_of_their_references(self, aws: Aws, store: S3Documents) -> None:
        names = [f"{number:02}" for number in range(20)]
        for name in names:
            aws.put_document("acme", "letters", name, name.encode())
        names.reverse()
        assert await store.load([reference(name) for name in names], 5) == [name.encode() for name in names]

    async def test_an_object_that_is_not_there_is_not_found(self, aws: Aws, store: S3Documents) -> None:
        aws.put_document("acme", "letters", "a", b"1")
        with pytest.raises(ComputeFailedError) as caught:
            await store.load([reference("a"), reference("z")], 5)
        assert caught.value.code is ErrorCode.NOT_FOUND
        assert "'z'" in caught.value.message

    async def test_a_bucket_that_is_not_there_is_transient(self, aws: Aws, threads: ThreadPoolExecutor) -> None:
        with pytest.raises(TransientError):
            await S3Documents(client=aws.client("s3"), bucket="absent", executor=threads).load([reference("a")], 5)

    async def test_more_bytes_than_the_index_told_of_are_refused(
        self, aws: Aws, store: S3Documents, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("push.sources.documents.MAX_DOCUMENTS_BYTES", 15)
        for name in ("a", "b"):
            aws.put_document("acme", "letters", name, b"1234567890")
        with pytest.raises(ComputeFailedError) as caught:
            await store.load([reference("a"), reference("b")], 5)
        assert caught.value.code is ErrorCode.TOO_LARGE


class BusyStore:
    """Answers 503 SlowDown so many times, then the object; counts requests and how many were under way at once."""

    def __init__(self, refusals: int) -> None:
        self.requests = 0
        self.under_way = 0
        self.most_under_way = 0
        self._lock = threading.Lock()
        busy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with busy._lock:
                    busy.requests += 1
                    is_refused = busy.requests <= refusals
                    busy.under_way += 1
                    busy.most_under_way = max(busy.most_under_way, busy.under_way)
                body = b"<Error><Code>SlowDown</Code><Message>Reduce your rate</Message></Error>"
                self.send_response(503 if is_refused else 200)
                body = body if is_refused else b"[1]"
                self.send_header("Content-Length", str(len(body)))
                with busy._lock:
                    busy.under_way -= 1
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))

    def __enter__(self) -> BusyStore:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()

    def documents(self, aws: Aws, threads: ThreadPoolExecutor) -> S3Documents:
        here = dataclasses.replace(aws, url=f"http://127.0.0.1:{self.server.server_address[1]}")
        return S3Documents(client=here.client("s3"), bucket="storage", executor=threads)


class TestBackoff:
    async def test_a_store_that_asks_for_less_is_asked_again_later(self, aws: Aws, threads: ThreadPoolExecutor) -> None:
        with BusyStore(refusals=3) as busy:
            assert await busy.documents(aws, threads).load([reference("a"), reference("b")], 20) == [b"[1]", b"[1]"]
            assert busy.requests == 5

    async def test_a_store_that_goes_on_asking_for_less_is_reported(
        self, aws: Aws, threads: ThreadPoolExecutor
    ) -> None:
        with BusyStore(refusals=1000) as busy, pytest.raises(SourceThrottledError) as caught:
            await asyncio.wait_for(busy.documents(aws, threads).load([reference("a")], 0.5), 5)
        assert caught.value.code is ErrorCode.SOURCE_THROTTLED
        assert caught.value.retry_after_ms

    async def test_no_more_is_asked_at_once_than_there_are_threads(self, aws: Aws, threads: ThreadPoolExecutor) -> None:
        with BusyStore(refusals=0) as busy:
            documents = busy.documents(aws, threads)
            loads = (documents.load([reference(str(n)) for n in range(25)], 5) for _ in range(4))
            assert sum(map(len, await asyncio.gather(*loads))) == 100
            assert busy.most_under_way <= 4
