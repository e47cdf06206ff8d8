from collections.abc import Mapping
from typing import Any

import pytest

from pushaside.protocol.positions import Position
from pushaside_tools.load.feed_ledger import Feed, FeedLedger, Heads
from pushaside_tools.load.plan import TopicPlan, message_text

RATE = 10.0
PLAN = TopicPlan(subscribers=2, topics=2, publishers=1, rate=RATE, size=3, channel="load:1f")


@pytest.fixture
def books() -> FeedLedger:
    ledger = FeedLedger(PLAN, "1f", total=100)
    ledger.begins_at = 50.0
    return ledger


@pytest.fixture
def feed(books: FeedLedger) -> Feed:
    subscriber = Feed(topic=0)
    books.subscribe(subscriber, "e:0")
    return subscriber


def update(offset: int, **other: Any) -> dict[str, Any]:
    """Make the message of an offset in channel 0, which has every other number."""
    data = {"run": "1f", "number": 2 * (offset - 1), "text": message_text(3)}
    fields = {
        "type": "update",
        "topic": "load:1f/0",
        "position": f"e:{offset}",
        "data": {**data, **other.pop("data", {})},
    }
    return {**fields, **other}


def take(books: FeedLedger, feed: Feed, *messages: Mapping[str, Any]) -> None:
    for message in messages:
        books.take(feed, message, 60.0)


def flaws(books: FeedLedger) -> dict[str, int]:
    tally = books.tally
    counts = {"lost": tally.lost, "doubled": tally.doubled, "reordered": tally.reordered, "wrong": tally.wrong.total()}
    return {name: count for name, count in counts.items() if count}


def ending(offset: int, epoch: str = "e") -> Heads:
    return {0: Position(epoch, offset)}


def test_each_message_once_and_in_order_is_right(books: FeedLedger, feed: Feed) -> None:
    take(books, feed, update(1), update(2), update(3))
    books.settle([feed], ending(3))

    assert (books.tally.delivered, flaws(books), books.tally.has_flaw) == (3, {}, False)


def test_delivery_counts_from_when_a_message_was_due(books: FeedLedger, feed: Feed) -> None:
    books.take(feed, update(3), 50.9)

    assert books.tally.delivery.most == pytest.approx(0.9 - 4 / RATE)


def test_a_message_that_never_came_between_others_is_lost(books: FeedLedger, feed: Feed) -> None:
    take(books, feed, update(1), update(4))
    books.settle([feed], ending(4))

    assert flaws(books) == {"lost": 2}


def test_the_last_messages_are_missed_although_nothing_came_after_them(books: FeedLedger, feed: Feed) -> None:
    take(books, feed, update(1))
    assert feed.is_behind(ending(3))
    books.settle([feed], ending(3))

    assert flaws(books) == {"lost": 2}


def test_a_subscriber_who_heard_nothing_lacks_everything(books: FeedLedger, feed: Feed) -> None:
    books.settle([feed], ending(7))

    assert flaws(books) == {"lost": 7}


def test_a_message_that_came_again_is_doubled(books: FeedLedger, feed: Feed) -> None:
    take(books, feed, update(1), update(2), update(1), update(2))

    assert (books.tally.delivered, flaws(books)) == (2, {"doubled": 2})


def test_a_message_that_came_after_a_later_one_is_out_of_order_and_not_lost(books: FeedLedger, feed: Feed) -> None:
    take(books, feed, update(2), update(1), update(3))
    books.settle([feed], ending(3))

    assert (books.tally.delivered, flaws(books)) == (3, {"reordered": 1})


def test_what_a_resync_stands_for_is_lost_and_its_own_message_is_not(books: FeedLedger, feed: Feed) -> None:
    take(books, feed, update(1), update(5, type="resync"), update(6))
    books.settle([feed], ending(6))

    assert (books.tally.delivered, books.tally.skipped, flaws(books)) == (3, 3, {"lost": 3})


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (update(1, data={"run": "2a"}), "a message that was not published here"),
        (update(1, data={"number": None}), "a message that was not published here"),
        (update(1, data={"text": "xxy"}), "another text than was published"),
        (update(1, data={"number": 1}), "a message of another channel"),
        (update(1, position="f:1"), "a position of another epoch"),
        (update(1, position="e:101"), "a position beyond all that was published"),
        (update(1, position="e"), "no position"),
        (update(1, position=None), "no position"),
    ],
)
def test_what_is_not_as_it_was_published_is_wrong(
    books: FeedLedger, feed: Feed, message: Mapping[str, Any], why: str
) -> None:
    take(books, feed, message)

    assert books.tally.wrong == {why: 1}


def test_one_message_has_one_position_for_all(books: FeedLedger, feed: Feed) -> None:
    books.confirm(0, "e:1")
    take(books, feed, update(1), update(2, data={"number": 0}))

    assert books.tally.wrong == {"one message at two positions": 1}


def test_what_was_confirmed_is_due_to_all_even_if_nobody_saw_it(books: FeedLedger, feed: Feed) -> None:
    books.confirm(0, "e:1")
    books.confirm(2, "e:2")

    assert books.heads == {0: Position("e", 2)}
    assert feed.is_behind(books.heads)


def test_a_subscriber_left_in_an_epoch_that_is_over_is_found(books: FeedLedger, feed: Feed) -> None:
    books.settle([feed], ending(1, epoch="f"))

    assert books.tally.wrong == {"left in another epoch": 1}


def test_a_subscription_that_was_refused_lacks_nothing(books: FeedLedger) -> None:
    books.settle([Feed(topic=0)], ending(5))

    assert flaws(books) == {}
