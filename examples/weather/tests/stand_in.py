"""A stand-in for the weather API on loopback: it knows one town, counts questions, and fails on demand."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

BERLIN = {"name": "Berlin", "country": "Germany", "latitude": 52.52, "longitude": 13.41}
DAYS = ["2026-03-01", "2026-03-02", "2026-03-03"]


class StandIn(ThreadingHTTPServer):
    """Answers in the shape of Open-Meteo's public APIs."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.celsius = 4.5
        self.statuses: list[int] = []
        """The statuses of the next answers; 200 when there are none left."""
        self.paths: list[str] = []
        """The paths of the questions so far."""

    @property
    def forecasts(self) -> str:
        """The URL of forecasts."""
        return f"http://127.0.0.1:{self.server_port}/v1/forecast"

    @property
    def places(self) -> str:
        """The URL of places."""
        return f"http://127.0.0.1:{self.server_port}/v1/search"


class Handler(BaseHTTPRequestHandler):
    server: StandIn
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        self.server.paths.append(address.path)
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        query = {name: values[0] for name, values in parse_qs(address.query).items()}
        body = json.dumps(self.answer(address.path, query)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Retry-After", "2")
        self.end_headers()
        self.wfile.write(body)

    def answer(self, path: str, query: dict[str, str]) -> object:
        if path == "/v1/search":
            return {"results": [BERLIN]} if query["name"].lower() == "berlin" else {"generationtime_ms": 0.5}
        if "current" in query:
            now = {"time": "2026-03-01T12:00", "temperature_2m": self.server.celsius, "wind_speed_10m": 11.2}
            return {"current": now}
        days = DAYS[: int(query["forecast_days"])]
        lows, highs = [1.5, 0.0, 2.5][: len(days)], [6.0, 7.5, 9.0][: len(days)]
        return {"daily": {"time": days, "temperature_2m_min": lows, "temperature_2m_max": highs}}

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by http.server
        """Write nothing."""


@contextmanager
def running() -> Iterator[StandIn]:
    """Run a stand-in on a free port."""
    with StandIn() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
