"""What a run is to do, and the messages that it sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

KEY = "{key}"
SYNTHETIC = "synthetic"
MAX_DEADLINE_SECONDS = 900.0
PATIENCE_SECONDS = 2.0
"""The service answers `timeout` at the deadline itself; a request without any answer is lost so much later."""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """The channels' side of a run: `subscribers` shared evenly by channels, and `rate` messages a second to all.

    Message n is for channel n modulo `topics`. `channel` is what their names begin with, `size` the bytes of text in
    each message, and `publishers` the connections that publish, in turn.
    """

    subscribers: int
    topics: int
    publishers: int
    rate: float
    size: int
    channel: str

    def name_of(self, topic: int) -> str:
        """Return the name of a channel, counted from 0."""
        return f"{self.channel}/{topic}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. Seconds throughout; `rate` is None in the closed model, whose requests under way are `concurrency`.

    `params` is JSON with `{key}` wherever the key's digits go. `has_seed` says that the data names the key, as
    `synthetic`'s do, and `may_change` that the content of a key may be another one later. That `cold_share` of the
    requests, 0 to 1, is for keys that nobody has asked for. Without `connections` no requests are sent, and without
    `topics` nothing is published.
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
    cold_share: float
    has_seed: bool
    may_change: bool
    processes: int
    run: int
    topics: TopicPlan | None = None

    @property
    def all_connections(self) -> int:
        """How many connections are to be opened, subscribers and publishers among them."""
        return self.connections + (self.topics.subscribers + self.topics.publishers if self.topics else 0)


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


class PublishWriter:
    """Writes the messages to publish, of which only numbers differ.

    >>> write = PublishWriter("1f", ["load:1f/0", "load:1f/1"], 3).write
    >>> write("p-7", 7)
    b'{"action":"publish","id":"p-7","topic":"load:1f/1","data":{"run":"1f","number":7,"text":"xxx"}}'
    """

    def __init__(self, run: str, channels: Sequence[str], size: int) -> None:
        self._middles = [
            f'","topic":{orjson.dumps(channel).decode()},"data":{{"run":"{run}","number":' for channel in channels
        ]
        self._end = f',"text":"{message_text(size)}"}}}}'

    def write(self, publish_id: str, number: int) -> bytes:
        """Write the message of a number, to its channel; the id needs no escaping."""
        middle = self._middles[number % len(self._middles)]
        return f'{{"action":"publish","id":"{publish_id}{middle}{number}{self._end}'.encode()


def message_text(size: int) -> str:
    """Return the text that each published message has."""
    return "x" * size


def synthetic_params(size_bytes: int, work_ms: int) -> str:
    """Write the params of the compute `synthetic`.

    >>> synthetic_params(500, 0)
    '{"size_bytes":500,"work_ms":0,"seed":{key}}'
    """
    return f'{{"size_bytes":{size_bytes},"work_ms":{work_ms},"seed":{KEY}}}'
