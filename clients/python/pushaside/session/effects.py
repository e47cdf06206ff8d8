"""What a session wants done: values, carried out by `pushaside.shell` in the order they come.

Those that every request makes are named tuples, which are made in half the time.
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
"""What asking ends in: a result, a position that something was published at, a ping's seconds, or an error."""


class Remedy(Enum):
    """What can help when a link could not be followed."""

    FETCH_AGAIN = auto()
    ASK_AGAIN = auto()
    NOTHING = auto()


@dataclass(frozen=True, slots=True)
class FetchFailure:
    """A link could not be followed, and what can help."""

    error: PushasideError
    remedy: Remedy


class Send(NamedTuple):
    """Send a message on a connection."""

    link: int
    message: bytes


class Settle(NamedTuple):
    """Hand the outcome to whoever asked; it comes once for each id."""

    id: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Report:
    """Tell whoever watches a question how far it has come."""

    id: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class Fetch:
    """Fetch the data of a result, and report `fetched` under the same id.

    It is of no use any more once the id is settled, forgotten or asked again.
    """

    id: str
    linked: Linked


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a connection after so many seconds, and report `link_opened` or `connect_failed`."""

    after_seconds: float


@dataclass(frozen=True, slots=True)
class Close:
    """Close a connection; what still comes on it may be reported, its loss need not be."""

    link: int


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell whoever waits for a subscription that there is something to take, that it holds now, or that it is over."""

    id: str


@dataclass(frozen=True, slots=True)
class TellPresence:
    """Tell whoever has a subscription who else has come and gone."""

    id: str
    presence: Presence


@dataclass(frozen=True, slots=True)
class End:
    """The session is over, and all that was asked is settled."""

    error: PushasideError


Effect = Send | Settle | Report | Fetch | Connect | Close | Notify | TellPresence | End
