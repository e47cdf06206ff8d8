"""The effects of a session: values that `pushaside.shell` carries out in order.

The effects of every request are named tuples, which take half the time to create.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from pushaside.errors import PushasideError
from pushaside.progress import Progress
from pushaside.protocol.messages import Linked, Result
from pushaside.protocol.topic_messages import Presence, Published

Outcome = Result | Published | float | PushasideError
"""The outcome of a question: a result, the position of a publication, a ping's seconds, or an error."""


class Remedy(Enum):
    """The remedies for a failed fetch of a link."""

    FETCH_AGAIN = auto()
    ASK_AGAIN = auto()
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class FetchFailure:
    """A failed fetch of a link, and what may help."""

    error: PushasideError
    remedy: Remedy


class Send(NamedTuple):
    """Send a message on a connection."""

    link: int
    message: bytes


class Settle(NamedTuple):
    """Pass an outcome to the caller, once for each id."""

    id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Report:
    """Report the progress of a question to its caller."""

    id: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class Fetch:
    """Fetch the data of a result, and call `fetched` with the same id.

    The data is not needed any more once the id is settled, forgotten or sent again.
    """

    id: str
    linked: Linked


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a connection after some seconds, and call `link_opened` or `connect_failed`."""

    after_seconds: float


@dataclass(frozen=True, slots=True)
class Close:
    """Close a connection; messages that still arrive on it may be reported, its loss need not be."""

    link: int


@dataclass(frozen=True, slots=True)
class Notify:
    """Wake the consumers of a subscription: it has an update, has changed its state, or has ended."""

    id: str


@dataclass(frozen=True, slots=True)
class TellPresence:
    """Pass a presence message to a subscription."""

    id: str
    presence: Presence


@dataclass(frozen=True, slots=True)
class End:
    """Note that the session has ended, and everything is settled."""

    error: PushasideError


Effect = Send | Settle | Report | Fetch | Connect | Close | Notify | TellPresence | End
