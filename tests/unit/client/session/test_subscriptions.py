"""Subscriptions: what is asked when, and what ends them."""

from __future__ import annotations

import dataclasses

import pytest

from pushaside.errors import CannotConnectError, ForbiddenError, InternalError, TooLargeError, UnreadableResultError
from pushaside.protocol.patches import make_digest
from pushaside.protocol.positions import Position
from pushaside.protocol.topic_messages import Presence
from pushaside.protocol.topic_questions import PATCH, LiveSubject
from pushaside.session.effects import FetchFailure, Remedy, TellPresence
from pushaside.settings import Settings
from tests.unit.client.topic_service import CHANNEL, LIVE, TopicService


def subscribes(service: TopicService) -> list[dict]:
    return [message for _, message in service.driver.sent if message["action"] == "subscribe"]


def actions(service: TopicService) -> list[str]:
    return [message["action"] for _, message in service.driver.sent if message["action"] != "hello"]


def subscribed(service: TopicService) -> int:
    """Have the subscription hold on a first connection."""
    link = service.driver.open()
    service.work()
    service.deliver()
    return link


def take_all(service: TopicService) -> list[object]:
    service.take(100)
    return [update.data for update in service.taken]


def test_who_comes_and_goes_is_told_to_the_subscriptions_of_that_topic_alone() -> None:
    service = TopicService()
    link = subscribed(service)
    service.driver.receive(link, type="presence", topic=CHANNEL, count=2, joined=["ada", 7], left="?")
    service.driver.receive(link, type="presence", topic="prices:usd", count=9, joined=["eve"], left=[])
    service.driver.receive(link, type="presence", count=9)

    assert service.driver.presence == [TellPresence(service.feed.id, Presence(CHANNEL, 2, ("ada",), ()))]


def test_updates_that_come_before_subscribed_are_held_back() -> None:
    service = TopicService()
    service.driver.open()
    service.work()
    service.publish()
    service.deliver(-1)
    assert take_all(service) == []
    service.deliver()

    assert take_all(service) == [1]


def test_updates_of_a_live_result_are_held_before_its_topic_is_known() -> None:
    service = TopicService(is_live=True)
    service.driver.open()
    service.work()
    service.publish()
    service.publish()
    service.deliver(-1)
    service.deliver(-1)
    service.deliver()

    assert take_all(service) == [2]


def test_a_gap_is_given_a_second_to_close() -> None:
    service = TopicService()
    subscribed(service)
    for _ in range(3):
        service.publish()
    service.deliver(2)
    service.driver.advance(0.9)
    service.deliver(1)
    service.deliver()
    service.driver.advance(5.0)

    assert take_all(service) == [1, 2, 3]
    assert len(subscribes(service)) == 1


def test_a_gap_that_stays_has_the_subscription_made_anew_since_the_message_before_it() -> None:
    service = TopicService()
    subscribed(service)
    for _ in range(3):
        service.publish()
    service.deliver()
    service.drop(0)
    service.deliver()
    service.driver.advance(1.1)

    assert [each.get("since") for each in subscribes(service)] == [None, "e0:1"]


def test_another_epoch_has_the_subscription_made_anew_at_once_but_not_over_and_over() -> None:
    service = TopicService()
    link = subscribed(service)
    service.driver.advance(5.0)
    service.driver.receive(link, type="update", topic=CHANNEL, position="e1:1", data=1)
    service.driver.advance(0.0)
    assert [each.get("since") for each in subscribes(service)] == [None, "e0:0"]
    service.work()
    service.deliver()
    for _ in range(20):
        service.driver.receive(link, type="update", topic=CHANNEL, position="e1:1", data=1)
        service.driver.advance(0.01)
        service.work()
        while service.flight:
            service.deliver()

    assert len(subscribes(service)) <= 3


def test_on_a_new_connection_it_is_made_anew_at_once_since_its_position() -> None:
    service = TopicService()
    link = subscribed(service)
    service.publish()
    service.deliver()
    service.lose(0)
    new = service.driver.open()

    assert link != new
    assert service.driver.actions(new) == ["hello", "subscribe"]
    assert subscribes(service)[-1]["since"] == "e0:1"


def test_the_old_connection_is_kept_until_the_new_one_brings_updates() -> None:
    service = TopicService(settings=Settings(max_connection_seconds=20.0))
    old = subscribed(service)
    service.driver.advance(20.0)
    service.driver.open()
    service.driver.advance(1.0)
    assert service.driver.closed == []
    service.work()
    service.deliver()
    service.driver.advance(0.0)

    assert service.driver.closed == [old]


def test_an_answer_on_a_connection_that_is_being_left_does_not_count() -> None:
    service = TopicService(settings=Settings(max_connection_seconds=5.0))
    old = service.driver.open()
    service.work()
    service.driver.advance(5.0)
    new = service.driver.open()
    service.deliver()

    assert not service.feed.is_subscribed
    assert len([link for link, message in service.driver.sent if message["action"] == "subscribe"]) == 2
    assert service.driver.actions(new)[-1] == "subscribe"
    assert old != new


def test_a_refusal_ends_it() -> None:
    service = TopicService()
    link = service.driver.open()
    service.driver.error(link, subscribes(service)[0]["id"], "forbidden")

    assert isinstance(service.feed.error, ForbiddenError)
    assert service.driver.notified == [service.feed.id]


def test_once_it_held_it_outlives_what_passes() -> None:
    service = TopicService()
    subscribed(service)
    service.lose(0)
    link = service.driver.open()
    for _ in range(20):
        service.driver.error(link, subscribes(service)[-1]["id"], "internal", retryable=True)
        service.driver.advance(31.0)
        link = service.driver.links[-1] if service.driver.links else service.driver.open()
    assert service.feed.error is None

    service.driver.error(link, subscribes(service)[-1]["id"], "forbidden")
    assert isinstance(service.feed.error, ForbiddenError)


def test_before_it_held_an_error_of_the_service_ends_it() -> None:
    service = TopicService()
    link = service.driver.open()
    service.driver.error(link, subscribes(service)[0]["id"], "internal", retryable=True)

    assert isinstance(service.feed.error, InternalError)


@pytest.mark.parametrize("fields", [{"data": "&", "encoding": "gzip+base64"}, {"url": "file:///etc/passwd"}])
def test_data_that_cannot_be_read_end_it(fields: dict) -> None:
    service = TopicService()
    link = subscribed(service)
    service.driver.receive(link, type="update", topic=CHANNEL, position="e0:1", **fields)

    assert isinstance(service.feed.error, UnreadableResultError)
    assert actions(service)[-1] == "unsubscribe"


def test_a_new_subscription_waits_until_the_old_one_of_its_topic_is_given_back() -> None:
    service = TopicService()
    link = subscribed(service)
    service.driver.session.unsubscribe(service.feed.id, service.driver.now)
    service.feed = service.subscribe()
    assert actions(service) == ["subscribe", "unsubscribe"]
    farewell = service.driver.sent[-1][1]
    service.driver.receive(link, type="unsubscribed", id=farewell["id"], topic=CHANNEL)
    service.driver.advance(0.0)

    assert actions(service) == ["subscribe", "unsubscribe", "subscribe"]


def test_what_was_closed_before_it_held_is_unsubscribed_when_it_does() -> None:
    service = TopicService(is_live=True)
    service.driver.open()
    service.driver.session.unsubscribe(service.feed.id, service.driver.now)
    service.work()
    service.deliver()

    assert service.driver.sent[-1][1]["topic"] == LIVE
    assert actions(service) == ["subscribe", "unsubscribe"]


def test_a_full_channel_takes_no_more_and_asks_for_the_rest_once_there_is_room() -> None:
    service = TopicService(settings=Settings(max_queued_updates=4))
    subscribed(service)
    for _ in range(9):
        service.publish()
    while service.flight:
        service.deliver()
    service.driver.advance(20.0)
    assert len(subscribes(service)) == 1
    service.take(2)

    assert subscribes(service)[-1]["since"] == "e0:4"
    service.flow()
    assert take_all(service) == list(range(1, 10))


def test_a_link_that_has_expired_has_the_subscription_made_anew() -> None:
    service = TopicService()
    link = subscribed(service)
    service.driver.receive(link, type="update", topic=CHANNEL, position="e0:1", url="https://bucket.example/x")
    failure = FetchFailure(CannotConnectError("Gone."), Remedy.ASK_AGAIN)
    service.driver.fetch_failed(service.driver.fetches[-1].id, failure)
    service.driver.advance(1.0)

    assert [each.get("since") for each in subscribes(service)] == [None, "e0:0"]


def test_data_that_will_never_be_had_end_it() -> None:
    service = TopicService()
    link = subscribed(service)
    service.driver.receive(link, type="update", topic=CHANNEL, position="e0:1", url="https://bucket.example/x")
    service.driver.fetch_failed(service.driver.fetches[-1].id, FetchFailure(TooLargeError("No."), Remedy.NOTHING))

    assert isinstance(service.feed.error, TooLargeError)


def test_a_newer_value_takes_the_place_of_one_that_cannot_be_fetched() -> None:
    service = TopicService(is_live=True)
    link = subscribed(service)
    service.driver.receive(link, type="update", topic=LIVE, position="e0:1", etag="a", url="https://bucket.example/x")
    service.driver.receive(link, type="update", topic=LIVE, position="e0:2", etag="b", data="newer")
    failure = FetchFailure(CannotConnectError("No."), Remedy.FETCH_AGAIN)
    service.driver.fetch_failed(service.driver.fetches[-1].id, failure)

    assert take_all(service) == ["newer"]


def test_a_live_result_that_says_only_where_it_is_is_asked_for() -> None:
    service = TopicService(is_live=True)
    link = subscribed(service)
    service.driver.receive(link, type="resync", topic=LIVE, position="e0:5")
    service.driver.advance(1.1)

    assert len(subscribes(service)) == 2


def test_a_value_that_is_there_already_is_no_news() -> None:
    service = TopicService(is_live=True)
    service.publish()
    subscribed(service)
    service.lose(0)
    service.driver.open()
    service.work()
    service.deliver()

    assert take_all(service) == [1]


def test_a_compute_that_fails_is_told_and_its_last_value_kept() -> None:
    service = TopicService(is_live=True)
    service.publish()
    link = subscribed(service)
    error = {"code": "compute_failed", "message": "No such board.", "retryable": False}
    service.driver.receive(link, type="update", topic=LIVE, position="e0:2", etag="x", error=error)

    assert service.feed.failure is not None
    assert service.feed.failure.code == "compute_failed"
    assert service.feed.value == 1


def test_an_offset_that_redis_lost_and_gives_again_is_told_as_a_resync() -> None:
    service = TopicService()
    subscribed(service)
    service.feed = service.subscribe(since=Position("e0", 7))
    service.work()
    service.publish()
    while service.flight:
        service.deliver()
    service.take(10)

    first, second = service.taken
    assert (first.is_resync, first.position) == (True, "e0:0")
    assert dataclasses.astuple(second)[1:3] == ("e0:1", 1)


OLD, NEW = {"name": "Vermont", "status": "open"}, {"name": "Vermont", "status": "closed"}


def receive_patch(service: TopicService, link: int, changes: dict[str, object]) -> None:
    """Receive, at e0:2, a patch that makes `NEW` of `OLD`, but for the changes."""
    patch = {"base": "old", "digest": make_digest(NEW), "merge_patch": {"status": "closed"}}
    update = {"type": "update", "topic": LIVE, "position": "e0:2", "etag": "new"}
    service.driver.receive(link, **update | patch | changes)


def holding_old() -> tuple[TopicService, int]:
    """Have a client hold `OLD`."""
    service = TopicService(is_live=True)
    link = subscribed(service)
    service.driver.receive(link, type="update", topic=LIVE, position="e0:1", etag="old", data=OLD)
    return service, link


def test_patches_are_asked_for_only_by_who_wants_them() -> None:
    service = TopicService(is_live=True)
    service.driver.open()
    service.driver.session.subscribe(LiveSubject("documents", b"{}"), None, service.driver.now, PATCH)
    service.driver._carry_out()
    first, second = subscribes(service)
    assert "patch" not in first.get("accept", ())
    assert "patch" in second["accept"]


@pytest.mark.parametrize(
    "changes",
    [{}, {"merge_patch": None, "json_patch": [{"op": "replace", "path": "/status", "value": "closed"}]}],
)
def test_a_patch_makes_the_new_value(changes: dict[str, object]) -> None:
    service, link = holding_old()
    old = service.feed.value
    receive_patch(service, link, changes)
    assert take_all(service) == [NEW]
    assert (service.feed.value, old) == (NEW, OLD)
    assert not service.feed.is_missing


@pytest.mark.parametrize("changes", [{"base": "another"}, {"digest": "0" * 24}, {"merge_patch": {"status": "shut"}}])
def test_a_patch_that_does_not_fit_has_the_value_asked_for(changes: dict[str, object]) -> None:
    service, link = holding_old()
    receive_patch(service, link, changes)
    assert take_all(service) == [OLD]
    service.driver.advance(1.1)
    assert subscribes(service)[-1]["since"] == "e0:1"


def test_a_patch_to_the_value_that_is_there_only_moves_the_position() -> None:
    service, link = holding_old()
    receive_patch(service, link, {"base": "older", "etag": "old"})
    assert take_all(service) == [OLD]
    assert service.feed.position == Position("e0", 2)
    assert not service.feed.is_missing


def test_a_patch_that_overtakes_the_value_it_is_for_waits_for_it() -> None:
    service = TopicService(is_live=True)
    link = service.driver.open()
    receive_patch(service, link, {})
    (asked,) = subscribes(service)
    answer = {"type": "subscribed", "id": asked["id"], "topic": LIVE, "position": "e0:1", "recovered": True}
    service.driver.receive(link, **answer, etag="old", data=OLD)
    assert take_all(service) == [NEW]


def test_a_value_takes_the_place_of_a_patch_that_does_not_fit() -> None:
    service, link = holding_old()
    receive_patch(service, link, {"base": "another"})
    service.driver.receive(link, type="update", topic=LIVE, position="e0:3", etag="newest", data=NEW)
    assert take_all(service) == [NEW]
    assert not service.feed.is_missing


def test_before_anything_is_taken_the_position_is_where_the_subscription_began() -> None:
    service = TopicService()
    feed = service.feed
    subscribed(service)
    began = feed.taken
    service.publish()
    service.deliver()

    assert began is not None
    assert feed.waiting == 1
    assert feed.taken == began
