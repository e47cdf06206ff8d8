"""The settings of a client; the defaults suit API Gateway's limits."""

from __future__ import annotations

from dataclasses import dataclass

from pushaside.protocol.messages import RESULT_BYTES


@dataclass(frozen=True, slots=True)
class Settings:
    """Times, sizes and numbers that a client behaves by; times are in seconds, sizes in bytes.

    >>> Settings(keepalive_seconds=60.0).keepalive_seconds
    60.0
    """

    open_timeout_seconds: float = 10.0
    """Limit of one attempt to connect, from the TCP connection to the end of the handshake."""

    connect_attempts: int = 5
    """Attempts to open the first connection while the service is busy (429, 5xx, no answer in time)."""

    reconnect_attempts: int | None = None
    """Failed attempts in a row after which a client without a connection ends; None retries forever."""

    backoff_base_seconds: float = 0.5
    """Upper bound of the first wait before another attempt; the bound doubles with each further wait."""

    backoff_cap_seconds: float = 30.0
    """Upper bound of all waits before another attempt."""

    reask_seconds: float = 10.0
    """Silence after which a request is sent again under the same id; it doubles each time."""

    reask_cap_seconds: float = 60.0
    """Upper bound of the intervals between sending a request again."""

    max_retries: int = 5
    """Retries of one request after errors with `retry_after_ms`, and after API Gateway's own error frames."""

    keepalive_seconds: float = 540.0
    """Silence after which a ping keeps the connection open: API Gateway closes it after ten idle minutes."""

    subscribed_keepalive_seconds: float = 120.0
    """The same while there are subscriptions, counted from the last received message.

    A subscriber that only receives notices a silent loss by nothing else.
    """

    pong_timeout_seconds: float = 10.0
    """Silence after a ping that makes the connection count as lost."""

    max_connection_seconds: float = 6600.0
    """Age at which a connection is replaced, unless the service's `welcome` names another; API Gateway allows 2 h."""

    drain_seconds: float = 60.0
    """How long a replaced connection stays open for the answers that are still to arrive on it."""

    close_timeout_seconds: float = 2.0
    """Limit of the closing handshake, after which the connection is cut."""

    max_receive_bytes: int = 256 * 1024
    """A larger message from the service closes the connection; API Gateway sends at most 128 KiB."""

    accept_gzip: bool = True
    """Whether the service may send data as gzip in base64: a third of the bytes, for some CPU on both sides."""

    max_result_bytes: int = RESULT_BYTES
    """Results with more bytes of JSON are refused, in any form."""

    max_unfinished_bytes: int = 64 * 1024 * 1024
    """Memory for the pieces of incomplete results."""

    max_unfinished_results: int = 1024
    """Number of incomplete results; beyond it, the one that is silent longest is dropped."""

    fetch_timeout_seconds: float = 30.0
    """Limit of one attempt to fetch the data behind a link."""

    fetch_attempts: int = 3
    """Attempts to fetch the data behind a link."""

    max_fetches: int = 8
    """Links that are followed at once; others wait."""

    gap_seconds: float = 1.0
    """How long a message of a topic may be missing before the client resubscribes since the one before it."""

    max_queued_updates: int = 1000
    """Updates of a subscription that wait to be taken; later ones are fetched again once there is room."""
