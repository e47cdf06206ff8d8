"""Measure the CPU of a miss in the functions, per request, from the message to the push of its result.

The benchmark runs the deployed handlers one after the other. `request` looks the key up, parks the caller and sends
the job. `compute` receives ten jobs at a time from SQS, claims, computes (in no time), fills, and pushes to each
caller. Redis is real, the queue is in memory and `@connections` is a bare server, each in its own process, so the
figures have only our functions. `AWS_CLIENTS=boto3` in the environment shows what the AWS SDK would add.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks._measuring import print_table
from benchmarks.hit_path import ENVIRONMENT, TIMER_SECONDS, make_event
from benchmarks.push_clients import serve
from push.adapters.aws.clients import make_client
from tests.servers.valkey import valkey

BATCH = 10
WARM_UP_BATCHES = 20
START_SECONDS = 10.0
LEAN_AWS = Path(__file__).parent / "peers" / "ours" / "lean_aws.py"
MESSAGE = '{"action":"request","id":"r%d","compute":"synthetic","params":{"seed":%d,"size_bytes":500}}'


@contextlib.contextmanager
def running_queue() -> Iterator[str]:
    """Run a queue in memory and yield its endpoint."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # The benchmark uses only queues, so no call reaches an emulator.
    process = subprocess.Popen([sys.executable, LEAN_AWS, str(port), "9"])
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


@contextlib.contextmanager
def running_connections() -> Iterator[str]:
    """Run a bare `@connections` server and yield its endpoint."""
    port_in, port_out = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(port_out,), daemon=True)
    server.start()
    try:
        yield f"http://127.0.0.1:{port_in.recv()}/v1"
    finally:
        server.terminate()
        server.join()


class Misses:
    """The two functions, and the queue between them."""

    def __init__(self, queue_url: str) -> None:
        from compute import app as compute
        from request import socket_app as request

        self._request, self._compute = request.handler, compute.handler
        self._sqs = make_client("sqs")
        self._queue_url = queue_url
        self._asked = 0

    def ask(self, message: str = MESSAGE) -> float:
        """Request a batch of cold keys and return the seconds of CPU; the message takes two numbers."""
        started = time.process_time()
        for _ in range(BATCH):
            self._asked += 1
            answer = self._request(make_event(500) | {"body": message % (self._asked, self._asked)}, None)
            if '"accepted"' not in answer["body"]:
                raise SystemExit("An answer was not a miss, so the figures mean nothing.")
        return time.process_time() - started

    def compute(self) -> float:
        """Compute the batch and return the seconds of CPU."""
        messages = self._sqs.receive_message(QueueUrl=self._queue_url, MaxNumberOfMessages=BATCH)["Messages"]
        event = {"Records": [_record(message) for message in messages]}
        started = time.process_time()
        answer = self._compute(event, None)
        seconds = time.process_time() - started
        if len(messages) != BATCH or answer["batchItemFailures"]:
            raise SystemExit("A job failed, so the figures mean nothing.")
        entries = [{"Id": str(at), "ReceiptHandle": each["ReceiptHandle"]} for at, each in enumerate(messages)]
        self._sqs.delete_message_batch(QueueUrl=self._queue_url, Entries=entries)
        return seconds


def _record(message: dict[str, Any]) -> dict[str, Any]:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message["Attributes"],
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:compute",
        "awsRegion": "us-east-1",
    }


def _set_environment(redis: str, queues: str, connections: str) -> None:
    os.environ.update(
        ENVIRONMENT,
        CACHE_URL=redis,
        AWS_ENDPOINT_URL=queues,
        COMPUTE_QUEUE_URL=f"{queues}/0/compute",
        DELIVERY_QUEUE_URL=f"{queues}/0/delivery",
        FAN_OUT_QUEUE_URL=f"{queues}/0/fan-out",
        WEBHOOK_QUEUE_URL=f"{queues}/0/webhook",
        AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI=connections,
        ALLOW_SYNTHETIC="true",
        CONNECTIONS_TABLE="connections",
        SUBSCRIPTIONS_TABLE="subscriptions",
        REQUESTS_TABLE="requests",
        DOCUMENTS_TABLE="documents",
        SCORES_TABLE="scores",
    )


def _figures(seconds: list[float]) -> str:
    per_miss = [each / BATCH * 1e6 for each in seconds]
    low, median, high = min(per_miss), statistics.median(per_miss), max(per_miss)
    return f"{median:,.0f} ({low:,.0f}-{high:,.0f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=200)
    options = parser.parse_args()
    with valkey() as redis, running_queue() as queues, running_connections() as connections:
        _set_environment(redis, queues, connections)
        with Path(os.devnull).open("w") as output, contextlib.redirect_stdout(output):
            misses = Misses(f"{queues}/0/compute")
            turns = [(misses.ask(), misses.compute()) for _ in range(WARM_UP_BATCHES + options.batches)]
            time.sleep(TIMER_SECONDS)
    asked, computed = (list(each) for each in zip(*turns[WARM_UP_BATCHES:], strict=True))
    both = [first + second for first, second in zip(asked, computed, strict=True)]
    rows = [("request", _figures(asked)), ("compute", _figures(computed)), ("both", _figures(both))]
    print_table(("function", "us of CPU per miss"), rows)


if __name__ == "__main__":
    main()
