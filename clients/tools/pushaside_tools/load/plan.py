"""The plan of a run, and the messages that it sends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson

KEY = "{key}"
SYNTHETIC = "synthetic"
MAX_DEADLINE_SECONDS = 900.0
PATIENCE_SECONDS = 2.0
"""A request counts as lost this long after its deadline, at which the service answers `timeout`."""


@dataclass(frozen=True, slots=True)
class TopicPlan:
    """The channels of a run: `topics` of them share `subscribers` evenly, and `rate` messages a second.

    Message n goes to channel n modulo `topics`. The names of channels begin with `channel`. Each message has `size`
    bytes of text, and `publishers` is the number of connections that publish in turn.
    """

    subscribers: int
    topics: int
    publishers: int
    rate: float
    size: int
    channel: str

    def name_of(self, topic: int) -> str:
        """Return the name of a channel by its number from 0."""
        return f"{self.channel}/{topic}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run; times are in seconds. The closed model has a `rate` of None, and keeps `concurrency` requests under way.

    `params` is JSON with `{key}` in place of the key's digits. `has_seed` means that data contains the number of its
    key, as that of `synthetic` does, and `may_change` that the content of a key may change during the run. The share
    `cold_share` of the requests, 0 to 1, is for keys that were never requested. Without `connections` the run sends no
    requests, and without `topics` it publishes nothing.
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
        """The number of connections to open, including subscribers and publishers."""
        return self.connections + (self.topics.subscribers + self.topics.publishers if self.topics else 0)


class RequestWriter:
    """Writer of the requests of a run, which differ only in id and key.

    >>> write = RequestWriter("synthetic", '{"seed":{key}}', 30.0).write
    >>> write("a-1", 7)
    b'{"action":"request","id":"a-1","compute":"synthetic","deadline_ms":30000,"params":{"seed":7}}'
    """

    def __init__(self, compute: str, params: str, deadline: float) -> None:
        name = orjson.dumps(compute).decode()
        self._middle = f'","compute":{name},"deadline_ms":{max(1, round(deadline * 1000))},"params":'
        self._params = params

    def write(self, request_id: str, key: int) -> bytes:
        """Return one request. The id must need no escaping."""
        params = self._params.replace(KEY, str(key))
        return f'{{"action":"request","id":"{request_id}{self._middle}{params}}}'.encode()


class PublishWriter:
    """Writer of the messages to publish, which differ only in their numbers.

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
        """Return the message of a number, for its channel. The id must need no escaping."""
        middle = self._middles[number % len(self._middles)]
        return f'{{"action":"publish","id":"{publish_id}{middle}{number}{self._end}'.encode()


def message_text(size: int) -> str:
    """Return the text of every published message."""
    return "x" * size


def synthetic_params(size_bytes: int, work_ms: int) -> str:
    """Return the params of the compute `synthetic`.

    >>> synthetic_params(500, 0)
    '{"size_bytes":500,"work_ms":0,"seed":{key}}'
    """
    return f'{{"size_bytes":{size_bytes},"work_ms":{work_ms},"seed":{KEY}}}'
