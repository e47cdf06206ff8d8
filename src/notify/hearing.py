"""Hearing what records tell: each is read, and the functions registered for its source are asked for its tags."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from push.adapters.change_functions import ask
from push.changes.declaring import ChangeFunction
from push.changes.merging import Change
from push.changes.reading import QUEUE, Arrival, id_of, read_record
from push.changes.records import UnreadableChangeError
from push.changes.telling import Teller, Told, shown_name
from push.errors import RequestError, TransientError
from push.metrics import Counter, Metric
from push.queues.ports import QueueBodies
from push.tags import TagScope

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Heard:
    """What one record told.

    Args:
        record_id: identifies the record in its batch.
        record: the record, in the form in which it would be kept.
        changes: the changes to apply.
        sources: the sources that it told of.
        at: when it was written or sent, in seconds since 1970; 0 if it does not say, or was kept meanwhile.
        problem: why the record is to be kept: it can't be read, or a function failed; empty if neither.
        is_to_retry: whether a function asked to be called again.

    """

    record_id: str
    record: Mapping[str, Any] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    at: float = 0.0
    problem: str = ""
    is_to_retry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """Hears records for one execution environment.

    Args:
        teller: says what records tell.
        bodies: unpacks the bodies of messages.
        counter: counts changes by their source, records that can't be read, and functions that failed.

    """

    teller: Teller
    bodies: QueueBodies
    counter: Counter

    async def hear_all(self, records: Sequence[Mapping[str, Any]]) -> list[Heard]:
        """Hear the records of a batch, in order. A record or function that fails affects no other."""
        return await asyncio.gather(*map(self._hear, records))

    async def _hear(self, record: Mapping[str, Any]) -> Heard:
        heard = Heard(id_of(record))
        try:
            arrival = await self._read(record)
        except TransientError as exc:
            logger.warning("the record %s is read again later: %s", heard.record_id, exc.message)
            heard.is_to_retry = True
            return heard
        heard.record, heard.at = arrival.record, 0.0 if arrival.is_again else arrival.at
        if arrival.problem:
            self._note_unreadable(heard, arrival.problem)
        for fact in arrival.facts:
            try:
                told = self.teller.tell(fact, arrival.at)
            except UnreadableChangeError as exc:
                self._note_unreadable(heard, exc.message)
                continue
            for each in told:
                await self._hear_told(each, heard)
        return heard

    async def _read(self, record: Mapping[str, Any]) -> Arrival:
        formats = self.teller.names.formats
        if record.get("eventSource") != QUEUE:
            return read_record(record, formats)
        try:
            document = await self.bodies.unpack(record["body"])
        except RequestError as exc:
            return Arrival(record={"eventSource": QUEUE, "body": record["body"]}, problem=exc.message)
        return read_record(record, formats, document)

    async def _hear_told(self, told: Told, heard: Heard) -> None:
        self.counter.count(Metric.CHANGE, dimension=("Source", shown_name(told.source)))
        heard.sources.append(told.source)
        if told.tags:
            heard.changes.append(Change(heard.record_id, told.source, told.scope, told.tags))
        for function in told.functions:
            await self._ask(function, told, heard)

    async def _ask(self, function: ChangeFunction, told: Told, heard: Heard) -> None:
        if told.record is None:
            return
        try:
            named = await ask(function, told.record)
        except UnreadableChangeError as exc:
            self._note_unreadable(heard, exc.message)
        except TransientError as exc:
            logger.warning("%s is asked again about record %s: %s", function.place, heard.record_id, exc.message)
            heard.is_to_retry = True
        except Exception as exc:
            logger.exception("%s failed, so record %s is kept", function.place, heard.record_id)
            self.counter.count(Metric.CHANGE_FAILURE, dimension=("Source", shown_name(told.source)))
            heard.problem = f"{function.place} failed: {exc!r}"
        else:
            by_scope: dict[TagScope, list[str]] = {}
            for tag, scope in named:
                by_scope.setdefault(scope, []).append(tag)
            for scope, tags in by_scope.items():
                heard.changes.append(Change(heard.record_id, told.source, scope, tuple(tags), function, told.record))

    def _note_unreadable(self, heard: Heard, problem: str) -> None:
        self.counter.count(Metric.UNREADABLE_CHANGE)
        logger.error("the record %s can't be read and is kept: %s", heard.record_id, problem)
        heard.problem = problem
