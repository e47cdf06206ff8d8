"""Client of Pushaside: ask for results over one WebSocket, and have them pushed back.

async with pushaside.connect("ws://127.0.0.1:8080/v1") as client:
    result = await client.request("documents", {"collection": "airports", "ids": ["TX", "CA"]})
    print(result.cache, result.data)
"""

from pushaside.client import Client, Token, connect
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
from pushaside.feeds import Update
from pushaside.http import HttpClient
from pushaside.messages import Result
from pushaside.settings import Settings
from pushaside.subscription import Subscription

__all__ = [
    "AccessError",
    "BusyError",
    "CannotConnectError",
    "Client",
    "ComputeFailedError",
    "ConnectionClosedError",
    "ForbiddenError",
    "HttpClient",
    "InternalError",
    "InvalidJsonError",
    "InvalidMessageError",
    "InvalidParamsError",
    "InvalidRequestError",
    "NotFoundError",
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
]
