"""What a run is to do, and the messages that it sends."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

KEY = "{key}"
SYNTHETIC = "synthetic"
MAX_DEADLINE_SECONDS = 900.0
PATIENCE_SECONDS = 2.0
"""The service answers `timeout` at the deadline itself; a request without any answer is lost so much later."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. Seconds throughout; `rate` is None in the closed model, whose requests under way are `concurrency`.

    `params` is JSON with `{key}` wherever the key's digits go. `has_seed` says that the data names the key, as
    `synthetic`'s do, and `may_change` that the content of a key may be another one later.
    """

    url: str
    token: str | None = field(repr=False)
    compute: str
    params: str
    rate: float | None
    concurrency: int
    connections: int
    connect_rate: float
    duration: float
    deadline: float
    keys: int
    skew: float
    is_cold: bool
    has_seed: bool
    may_change: bool
    processes: int
    run: int


class RequestWriter:
    """Writes the requests of a run, of which only id and key differ.

    >>> write = RequestWriter("synthetic", '{"seed":{key}}', 30.0).write
    >>> write("a-1", 7)
    b'{"action":"request","id":"a-1","compute":"synthetic","deadline_ms":30000,"params":{"seed":7}}'
    """

    def __init__(self, compute: str, params: str, deadline: float) -> None:
        name = orjson.dumps(compute).decode()
        self._middle = f'","compute":{name},"deadline_ms":{max(1, round(deadline * 1000))},"params":'
        self._params = params

    def write(self, request_id: str, key: int) -> bytes:
        """Write one request; the id needs no escaping."""
        params = self._params.replace(KEY, str(key))
        return f'{{"action":"request","id":"{request_id}{self._middle}{params}}}'.encode()


def synthetic_params(size_bytes: int, work_ms: int) -> str:
    """Write the params of the compute `synthetic`.

    >>> synthetic_params(500, 0)
    '{"size_bytes":500,"work_ms":0,"seed":{key}}'
    """
    return f'{{"size_bytes":{size_bytes},"work_ms":{work_ms},"seed":{KEY}}}'
