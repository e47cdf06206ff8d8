"""An HTTP service whose every answer the test gives."""

from __future__ import annotations

import gzip
import hashlib
import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """`length` claims another length than the body has; `hold` is waited for before the body is sent."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    hold: threading.Event | None = None


HANG_UP = Answer(status=0)


def json_answer(document: object, status: int = 200, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(document).encode(), {"Content-Type": "application/json", **named})


def problem(status: int, code: str, **fields: object) -> Answer:
    document = {"type": "about:blank", "title": "No", "status": status, "detail": f"It is {code}.", "code": code}
    return json_answer({**document, "retryable": False, **fields}, status, Content_Type="application/problem+json")


def gzipped(data: bytes) -> Answer:
    return Answer(200, gzip.compress(data), {"Content-Encoding": "gzip", "Content-Type": "application/json"})


def etag_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:24]


Script = Callable[[Asked], Answer]


class ScriptedHttp:
    """Listens on a free port of this machine and answers by a script, or by the answers it is given, in order."""

    def __init__(self, *answers: Answer, script: Script | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[Asked] = []
        left = list(answers)
        answer = script or (lambda _: left.pop(0) if len(left) > 1 else left[0])
        self._scheme = "http" if tls is None else "https"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _make_handler(self.asked, answer))
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}/"


def _make_handler(asked: list[Asked], script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append(Asked(self.command, self.path, headers, body))
            answer = script(asked[-1])
            self.close_connection = True
            if answer.status == 0:
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
            self.send_header("Connection", "close")
            self.end_headers()
            if answer.hold is not None:
                self.wfile.flush()
                answer.hold.wait(10)
            self.wfile.write(answer.body)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *args: object) -> None:
            pass

    return Handler
