"""What can be set about a client's behaviour towards the service; the defaults suit API Gateway's limits."""

from __future__ import annotations

from dataclasses import dataclass

from pushaside.protocol.messages import RESULT_BYTES


@dataclass(frozen=True, slots=True)
class Settings:
    """Times are in seconds, sizes in bytes.

    >>> Settings(keepalive_seconds=60.0).keepalive_seconds
    60.0
    """

    open_timeout_seconds: float = 10.0
    """One attempt to connect may take this long, from the TCP connection to the end of the handshake."""

    connect_attempts: int = 5
    """How often the first connection is tried while the service is there but busy (429, 5xx, no answer in time)."""

    reconnect_attempts: int | None = None
    """How many attempts in a row may fail after a connection was lost; None goes on for ever."""

    backoff_base_seconds: float = 0.5
    """Bound of the first wait before another attempt; each further wait is bounded by twice as much."""

    backoff_cap_seconds: float = 30.0
    """No wait before another attempt is longer."""

    reask_seconds: float = 10.0
    """A request that had no answer for so long is asked again under the same id, then after twice as long."""

    reask_cap_seconds: float = 60.0
    """No interval between asking again is longer."""

    max_retries: int = 5
    """How often one request is retried after errors that say when to come back, or API Gateway's own error frames."""

    keepalive_seconds: float = 540.0
    """After so much silence a ping keeps the connection open: API Gateway cuts it after ten idle minutes."""

    subscribed_keepalive_seconds: float = 120.0
    """The same while there are subscriptions, but only what is heard breaks the silence.

    Who just listens learns of a loss without a word by nothing else.
    """

    pong_timeout_seconds: float = 10.0
    """If nothing at all is heard for so long after a ping, the connection counts as lost."""

    max_connection_seconds: float = 6600.0
    """A connection is replaced after so long, if the service's `welcome` gives no other time; it is cut after 2 h."""

    drain_seconds: float = 60.0
    """A connection that was replaced is kept this long for answers that are still to come on it."""

    close_timeout_seconds: float = 2.0
    """How long the closing handshake may take before the connection is cut."""

    max_receive_bytes: int = 256 * 1024
    """Larger messages from the service close the connection; API Gateway passes on none over 128 KiB."""

    accept_gzip: bool = True
    """Whether the service may send data as gzip in base64: a third of the bytes, for some computing on both sides."""

    max_result_bytes: int = RESULT_BYTES
    """Results with more bytes of JSON are refused, in whatever form they come."""

    max_unfinished_bytes: int = 64 * 1024 * 1024
    """So much is held of results that come in pieces and are not whole."""

    max_unfinished_results: int = 1024
    """So many results are held of which pieces are missing; those without a new one for longest are let go."""

    fetch_timeout_seconds: float = 30.0
    """One attempt to fetch what a link leads to may take this long."""

    fetch_attempts: int = 3
    """How often a link is tried."""

    max_fetches: int = 8
    """So many links are followed at once; others wait."""

    gap_seconds: float = 1.0
    """If a message of a topic is missing for so long, the subscription is made anew since the one before."""

    max_queued_updates: int = 1000
    """So many messages of a subscription wait to be taken; what comes after them is had again once there is room."""
