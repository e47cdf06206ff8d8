"""The sources of a shop: a table with its stream, prices, and a stock with a replica; and what tells their changes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from push.adapters.dynamodb.images import write_image
from push.computes import Tenant
from push.sources.raised_tags import RaisedTags, serialize_raised_tags
from tests.builders.change_records import message, row_record
from tests.fakes.shards import Shard
from tests.worlds.shop_computes import LaggingTable, State, order_of


@dataclass(eq=False)
class Message:
    """A message in the queue of changes."""

    record: Mapping[str, Any]
    is_received: bool = False


class ShopSources:
    """What the sources hold now and held before, and the changes that are not told yet."""

    def __init__(self) -> None:
        self.state = State()
        self.states = [self.state]
        """What the sources held at each moment, oldest first."""
        self.orders = LaggingTable()
        self.stock_lag = 0
        """How many changes the replica of the stock lacks."""
        self.has_lagged = False
        """Whether it ever lacked one: then a result may be older than was told, but not than one before."""
        self.failing_functions = 0
        """How often the author's function of changes fails from now on."""
        self.view = ""
        """The images in the stream's records: `OLD`, `NEW`, both or none."""
        self.shards = {name: Shard() for name in ("one", "two")}
        self.messages: list[Message] = []
        self.numbers = itertools.count(1)

    def write(self, customer: str, day: str, status: str | None) -> None:
        """Write a row, without a status or with one; `gone` removes it."""
        order = order_of(customer, day)
        old, number = self.state.rows.get((customer, order)), next(self.numbers)
        key = {"customer": customer, "order": order}
        new = None if status == "gone" else {**key, **({} if status is None else {"status": status}), "number": number}
        if old is None and new is None:
            return
        rows = {name: row for name, row in self.state.rows.items() if name != (customer, order)}
        if new is None:
            self.orders.delete(key)
        else:
            self.orders.put(new)
            rows[customer, order] = new
        self._note(replace(self.state, rows=rows))
        event = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
        images = {
            "old": write_image(old) if old is not None and "OLD" in self.view else None,
            "new": write_image(new) if new is not None and "NEW" in self.view else None,
        }
        record = row_record("Orders", write_image(key), **images, event=event, number=str(number))
        self.shards["one" if customer == "ann" else "two"].records.append(record)

    def write_nonsense(self, shard: str) -> None:
        """Put a record into the stream that nobody can read."""
        record = row_record("Orders", {}, number=str(next(self.numbers)))
        self.shards[shard].records.append(record)

    def set_price(self, scope: Tenant | None, name: str, *, is_in_all: bool) -> None:
        """Change a price in one scope, and say so; to say that all scopes changed is right, too."""
        self._note(replace(self.state, prices={**self.state.prices, (scope, name): next(self.numbers)}))
        if is_in_all:
            raised = RaisedTags((f"price:{name}",), scope="all")
        elif scope is None:
            raised = RaisedTags((f"price:{name}",), scope="shared")
        else:
            raised = RaisedTags((f"price:{name}",), tenant=scope)
        self._queue_change(raised)

    def sell(self, stock_lag: int) -> None:
        """Change the stock; the replica lags by so many changes from now on."""
        self.stock_lag = stock_lag
        self.has_lagged |= stock_lag > 0
        self._note(replace(self.state, stock=self.state.stock + 1))
        self._queue_change(RaisedTags(("stock",), tenant=Tenant("acme")))

    def _note(self, state: State) -> None:
        self.state = state
        self.states.append(state)

    def _queue_change(self, raised: RaisedTags) -> None:
        number = next(self.numbers)
        self.messages.append(Message(message(serialize_raised_tags(raised), f"m{number}")))

    def moment(self, part: str, value: object, since: int) -> int:
        """Return the first moment from `since` on at which a part of a value was so."""
        for moment in range(since, len(self.states)):
            if self.states[moment].part(part) == value:
                return moment
        raise AssertionError(f"{part} was {value} only before: {[each.part(part) for each in self.states[since:]]}")
