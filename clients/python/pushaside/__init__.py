"""Client of Pushaside: request results over one WebSocket, and receive them as soon as they are there.

The examples run in `python -m asyncio`, with the URL of a service such as that of `pushaside local --demo`:

>>> async with connect(URL) as client:
...     result = await client.request("documents", {"collection": "airports", "ids": ["TX"]})
>>> result.data[0]["state"]
'TX'

`pushaside.sync` is the same client for programs without asyncio.
"""

from pushaside import sync
from pushaside.client import Client
from pushaside.connecting import Connecting, connect
from pushaside.errors import (
    AccessError,
    BusyError,
    CannotConnectError,
    ComputeFailedError,
    ConnectionClosedError,
    ForbiddenError,
    InternalError,
    InvalidJsonError,
    InvalidMessageError,
    InvalidParamsError,
    InvalidRequestError,
    NotFoundError,
    PushasideError,
    RateLimitedError,
    RequestTimeoutError,
    ServiceConnectionError,
    SourceThrottledError,
    TooLargeError,
    UnauthorizedError,
    UnknownActionError,
    UnknownComputeError,
    UnreadableResultError,
    UnverifiedWebhookError,
)
from pushaside.http.client import HttpClient
from pushaside.metrics import Metrics
from pushaside.place import Token
from pushaside.progress import Progress
from pushaside.protocol.messages import Result
from pushaside.protocol.topic_messages import Presence
from pushaside.session.feeds import Update
from pushaside.settings import Settings
from pushaside.subscription import Subscription

__all__ = [
    "AccessError",
    "BusyError",
    "CannotConnectError",
    "Client",
    "ComputeFailedError",
    "Connecting",
    "ConnectionClosedError",
    "ForbiddenError",
    "HttpClient",
    "InternalError",
    "InvalidJsonError",
    "InvalidMessageError",
    "InvalidParamsError",
    "InvalidRequestError",
    "Metrics",
    "NotFoundError",
    "Presence",
    "Progress",
    "PushasideError",
    "RateLimitedError",
    "RequestTimeoutError",
    "Result",
    "ServiceConnectionError",
    "Settings",
    "SourceThrottledError",
    "Subscription",
    "Token",
    "TooLargeError",
    "UnauthorizedError",
    "UnknownActionError",
    "UnknownComputeError",
    "UnreadableResultError",
    "UnverifiedWebhookError",
    "Update",
    "connect",
    "sync",
]
