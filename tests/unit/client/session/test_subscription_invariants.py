"""Whatever is lost, doubled or late on the way: each message comes once and in order, or a resync says so."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushaside.protocol.positions import parse_position
from tests.unit.client.topic_service import TopicService

which = st.integers(min_value=0, max_value=30)
harmless = [
    st.tuples(st.just("publish")),
    st.tuples(st.just("work")),
    st.tuples(st.just("open")),
    st.tuples(st.just("deliver"), st.one_of(st.just(0), which)),
    st.tuples(st.just("duplicate"), which),
    st.tuples(st.just("drop"), which),
    st.tuples(st.just("lose"), which),
    st.tuples(st.just("take"), st.integers(min_value=1, max_value=8)),
    st.tuples(st.just("advance"), st.floats(min_value=0.0, max_value=12.0)),
]
stories = st.lists(st.one_of(*harmless), max_size=80)
stories_with_losses = st.lists(st.one_of(*harmless, st.tuples(st.just("flush"))), max_size=80)


def play(service: TopicService, story: list) -> None:
    for name, *details in story:
        if name == "advance":
            service.driver.advance(*details)
        else:
            getattr(service, name)(*details)


def settle(service: TopicService) -> None:
    """Let all work, and publish something that tells what is missing."""
    service.flow()
    service.publish()
    service.flow()


@settings(max_examples=150, deadline=None)
@given(stories, st.integers(min_value=0, max_value=3))
def test_a_channel_brings_every_message_once_and_in_order(story: list, seed: int) -> None:
    service = TopicService(window=1000, seed=seed)
    service.flow()
    play(service, story)
    settle(service)

    assert [update.data for update in service.taken] == list(range(1, service.published + 1))
    assert not any(update.is_resync for update in service.taken)
    assert str(service.feed.taken) == service.head


@settings(max_examples=150, deadline=None)
@given(stories_with_losses, st.integers(min_value=0, max_value=3))
def test_what_is_missing_is_never_passed_over_in_silence(story: list, seed: int) -> None:
    service = TopicService(seed=seed)
    play(service, story)
    settle(service)

    for before, after in pairwise(service.taken):
        old, new = parse_position(before.position), parse_position(after.position)
        if after.is_resync:
            assert new.epoch != old.epoch or new.offset > old.offset
        else:
            assert (new.epoch, new.offset) == (old.epoch, old.offset + 1)
            assert after.data > (before.data or 0)
    assert service.taken[-1].data == service.published
    assert str(service.feed.taken) == service.head


@settings(max_examples=150, deadline=None)
@given(stories_with_losses, st.integers(min_value=0, max_value=3))
def test_the_newest_value_of_a_live_result_arrives_and_none_that_is_older_after_it(story: list, seed: int) -> None:
    service = TopicService(is_live=True, seed=seed)
    play(service, story)
    settle(service)

    values = [update.data for update in service.taken]
    assert values == sorted(set(values))
    assert service.feed.value == values[-1] == service.published


@pytest.mark.parametrize("is_live", [False, True])
def test_all_is_quiet_once_nothing_is_missing(is_live: bool) -> None:
    service = TopicService(is_live=is_live)
    settle(service)
    asked = [message["action"] for _, message in service.driver.sent].count("subscribe")
    service.driver.advance(60.0)

    assert [message["action"] for _, message in service.driver.sent].count("subscribe") == asked
