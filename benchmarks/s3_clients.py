"""Compare the cost of an S3 call and of a cold start between our own client, obstore and boto3.

Prints microseconds of CPU of the calling process per call, milliseconds of CPU until the first object is read in a
fresh process, and the size of what each client adds to the artifact; medians, minimum and maximum. The calls get and
put objects of 1 KB and 100 KB. All clients sign the body. The server is a bare one on loopback; `--endpoint` names
another, such as moto's.

obstore is not a dependency: without it (`pip install obstore`) its rows are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import compileall
import importlib.metadata
import importlib.util
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import boto3
import httptools
from botocore.config import Config

from benchmarks._measuring import Rounds, measure_in_turn, print_table, repeat
from benchmarks.cold_start import build
from push.adapters.aws.connection_pool import Timeouts
from push.adapters.aws.s3_client import S3Client
from push.adapters.aws.sigv4 import Credentials, Signer

BUCKET, REGION, KEY, SECRET = "storage", "us-east-1", "test", "test"
SIZES = {"1 KB": 1_000, "100 KB": 100_000}
RUN_SECONDS = 60
ADDED = {"ours": (), "obstore": ("obstore",), "boto3": ("boto3", "s3transfer")}
"""What the artifact carries for each client alone; botocore's exceptions are part of every adapter."""

# What every function has loaded before it first needs S3 is not counted.
PROGRAM = """
import sys, time
sys.path.insert(0, sys.argv[1])
import botocore.exceptions, push.adapters.aws.clients
began = time.process_time()
{body}
assert len(content) == 1000
print(time.process_time() - began)
"""
BODIES = {
    "ours": """
from push.adapters.aws.connection_pool import Timeouts
from push.adapters.aws.s3_client import S3Client
from push.adapters.aws.sigv4 import Credentials, Signer
signer = Signer(Credentials("test", "test"), service="s3", region="us-east-1")
client = S3Client(sys.argv[2], signer, Timeouts(1.0, 3.0))
content = client.get_object(Bucket="storage", Key="1000")["Body"].read()
""",
    "obstore": """
import obstore
from obstore.store import S3Store
store = S3Store(
    "storage", endpoint=sys.argv[2], access_key_id="test", secret_access_key="test", region="us-east-1",
    client_options={"allow_http": True},
)
content = bytes(obstore.get(store, "1000").bytes())
""",
    "boto3": """
import boto3
from botocore.config import Config
client = boto3.client(
    "s3", endpoint_url=sys.argv[2], aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1",
    config=Config(s3={"addressing_style": "path"}),
)
content = client.get_object(Bucket="storage", Key="1000")["Body"].read()
""",
}


class Client(Protocol):
    """Gets and puts whole objects."""

    def get(self, name: str) -> bytes:
        """Return an object."""

    def put(self, name: str, content: bytes) -> object:
        """Store an object."""


class Boto3Style:
    """Our own client, or boto3's, which is called in the same way."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client

    def get(self, name: str) -> bytes:
        """Return an object."""
        content: bytes = self._client.get_object(Bucket=BUCKET, Key=name)["Body"].read()
        return content

    def put(self, name: str, content: bytes) -> object:
        """Store an object."""
        return self._client.put_object(Bucket=BUCKET, Key=name, Body=content)


class Obstore:
    """The bindings of Rust's `object_store`."""

    def __init__(self, endpoint: str) -> None:
        import obstore
        from obstore.store import S3Store

        self._get, self._put = obstore.get, obstore.put
        self._store = S3Store(
            BUCKET,
            endpoint=endpoint,
            access_key_id=KEY,
            secret_access_key=SECRET,
            region=REGION,
            client_options={"allow_http": True},
        )

    def get(self, name: str) -> bytes:
        """Return an object."""
        return bytes(self._get(self._store, name).bytes())

    def put(self, name: str, content: bytes) -> object:
        """Store an object."""
        return self._put(self._store, name, content, use_multipart=False)


class Answering(asyncio.Protocol):
    """A server that keeps nothing: an object's name is its size."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Note which object is named."""
        self._name = url.partition(b"?")[0].rpartition(b"/")[2]

    def on_header(self, name: bytes, value: bytes) -> None:
        """Ask for a body that the client holds back: boto3 waits a second otherwise."""
        if name.lower() == b"expect" and value.lower() == b"100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_message_complete(self) -> None:
        """Answer."""
        content = bytes(int(self._name)) if self._parser.get_method() == b"GET" else b""
        head = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n"
            b'ETag: "0123456789abcdef0123456789abcdef"\r\nLast-Modified: Sat, 01 Jan 2022 00:00:00 GMT\r\n\r\n'
        )
        self._transport.write(head % len(content) + content)


def serve(port_out: Connection) -> None:
    """Serve until the process is ended."""

    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0)
        port_out.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


def make_boto3(endpoint: str) -> Any:  # noqa: ANN401 - boto3 makes its clients at run time
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=KEY,
        aws_secret_access_key=SECRET,
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}),
    )


def make_clients(endpoint: str) -> dict[str, Client]:
    """Return the clients by name, obstore's where it is installed."""
    signer = Signer(Credentials(KEY, SECRET), service="s3", region=REGION)
    clients: dict[str, Client] = {"ours": Boto3Style(S3Client(endpoint, signer, Timeouts(1.0, 3.0)))}
    if importlib.util.find_spec("obstore"):
        clients["obstore"] = Obstore(endpoint)
    else:
        print("obstore is not installed, so it is left out: pip install obstore\n")
    return clients | {"boto3": Boto3Style(make_boto3(endpoint))}


def print_calls(clients: dict[str, Client], rounds: int) -> None:
    """Print the CPU of a call of each kind."""
    calls: list[Callable[[], object]] = []
    for client in clients.values():
        for size in SIZES.values():
            calls += (partial(client.get, str(size)), partial(client.put, str(size), bytes(size)))
    figures = measure_in_turn([repeat(call) for call in calls], rounds=rounds, seconds=0.2)
    names = [f"{verb} {size}" for size in SIZES for verb in ("get", "put")]
    rows = [(name, *figures[at * len(names) :][: len(names)]) for at, name in enumerate(clients)]
    print_table(("us of CPU per call", *names), rows)


def first_object(folder: Path, name: str, endpoint: str, rounds: int) -> Rounds:
    """Measure what a fresh process takes from its first need of S3 to its first object, in milliseconds."""
    program = PROGRAM.format(body=BODIES[name])
    command = [sys.executable, "-I", "-S", "-B", "-c", program, str(folder), endpoint]
    outputs = [
        subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=True).stdout
        for _ in range(rounds + 1)
    ]
    return Rounds(tuple(float(output) * 1000 for output in outputs[1:]))  # the first reads the files from disk


def copy_distribution(name: str, folder: Path) -> None:
    """Add an installed distribution to an artifact, without bytecode."""
    for file in importlib.metadata.files(name) or []:
        if ".." not in file.parts and file.suffix != ".pyc":
            target = folder / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file.locate(), target)


def sizes_of(names: Sequence[str]) -> tuple[str, str]:
    """Return the megabytes of distributions, as they are and zipped."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for name in names:
            copy_distribution(name, folder)
        files = [path for path in folder.rglob("*") if path.is_file()]
        with zipfile.ZipFile(folder / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in files:
                archive.write(path)
        whole, zipped = sum(path.stat().st_size for path in files), (folder / "zip").stat().st_size
    return f"{whole / 1e6:.1f}", f"{zipped / 1e6:.1f}"


def print_cold_starts(clients: Sequence[str], endpoint: str, rounds: int) -> None:
    """Print the CPU until the first object, with bytecode and without, and the sizes."""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        build(folder)
        if "obstore" in clients:
            copy_distribution("obstore", folder)
        without = {name: first_object(folder, name, endpoint, rounds) for name in clients}
        compileall.compile_dir(folder, quiet=2)
        compiled = {name: first_object(folder, name, endpoint, rounds) for name in clients}
    rows = [(name, compiled[name], without[name], *sizes_of(ADDED[name])) for name in clients]
    print_table(("ms of CPU to the first object", "with bytecode", "without", "MB in the artifact", "MB zipped"), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--endpoint", help="a running server of S3 that takes any credentials")
    options = parser.parse_args()
    port_in, port_out = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(port_out,), daemon=True)
    server.start()
    try:
        endpoint = options.endpoint or f"http://127.0.0.1:{port_in.recv()}"
        if options.endpoint:
            make_boto3(endpoint).create_bucket(Bucket=BUCKET)
        clients = make_clients(endpoint)
        for size in SIZES.values():
            clients["ours"].put(str(size), bytes(size))
        print_calls(clients, options.rounds)
        print_cold_starts(list(clients), endpoint, options.rounds)
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
