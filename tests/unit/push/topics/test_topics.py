"""Topics and positions as clients name them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from push.computes import Tenant
from push.errors import ErrorCode, RequestError
from push.keys import Key
from push.topics.positions import MAX_OFFSET, Position, parse_position
from push.topics.topics import SHARDS, Topic, live_topic, parse_topic, parse_topic_storage, shard_of

ACME = Tenant("acme")
DIGEST = "0123456789abcdef" * 2


@pytest.mark.parametrize("text", ["prices:eur", "demo:a/b:c", "A.b_c-1:x", "n" * 64 + ":" + "x" * 128])
def test_a_channel_is_the_tenants_own(text: str) -> None:
    topic = parse_topic(text, ACME)
    assert (topic.storage, topic.is_live) == (f"acme/{text}", False)


@pytest.mark.parametrize(
    "text",
    [
        *("", "prices", ":eur", "prices:", "a b:c", "globex/prices:eur", "../globex/prices:eur", "prices:eur#1"),
        *("prices:é", "prices:{eur}", "prices:eur\n", "*:x", "n" * 65 + ":x", "n:" + "x" * 129),
        *(
            "board@1:short",
            f"board@0:{DIGEST}",
            f"Board@1:{DIGEST}",
            f"board@1:{DIGEST}\n",
            f"board@1:{DIGEST.upper()}",
        ),
    ],
)
def test_what_is_no_topic_is_said_to_be_none(text: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse_topic(text, ACME)
    assert refused.value.code is ErrorCode.INVALID_MESSAGE


def test_a_live_result_is_named_by_its_key() -> None:
    key = Key(ACME, "board", 1, DIGEST)
    assert parse_topic(key.public, ACME) == live_topic(key)
    assert live_topic(key).is_live
    assert live_topic(key).storage == key.storage


def test_only_results_of_shared_computes_belong_to_no_tenant() -> None:
    key = Key(None, "shared", 1, DIGEST)
    assert parse_topic(key.public, ACME, {"shared"}) == live_topic(key)
    assert parse_topic(key.public, ACME).scope == ACME
    assert parse_topic("shared:x", ACME, {"shared"}).scope == ACME


def test_a_live_result_of_a_principal_is_that_of_the_principal_that_names_it() -> None:
    topics = [parse_topic(f"own@1:{DIGEST}", ACME, (), {"own"}, principal) for principal in ("ada", "bob", "ada")]
    assert topics[0] == topics[2] != topics[1]
    assert {topic.name for topic in topics} == {f"own@1:{DIGEST}"}
    assert parse_topic(f"other@1:{DIGEST}", ACME, (), {"own"}, "ada").principal is None
    assert parse_topic("own:x", ACME, (), {"own"}, "ada").principal is None


@pytest.mark.parametrize("name", [f"acme~ada/own@1:{DIGEST}", f"acme~{DIGEST}/room:1", f"*~{DIGEST}/room:1"])
def test_only_a_live_result_belongs_to_a_principal(name: str) -> None:
    with pytest.raises(RequestError):
        parse_topic_storage(name)


@pytest.mark.parametrize(
    "topic", [Topic(ACME, "prices:a/b"), Topic(ACME, f"board@1:{DIGEST}"), Topic(None, f"board@1:{DIGEST}")]
)
def test_a_topic_is_read_back_from_its_name_in_a_store(topic: Topic) -> None:
    assert parse_topic_storage(topic.storage) == topic


@pytest.mark.parametrize("name", ["*/prices:eur", "prices:eur", "a/b/c:d", "", "/prices:eur", f"{'t' * 65}/prices:eur"])
def test_no_other_name_leads_to_a_topic(name: str) -> None:
    with pytest.raises(RequestError):
        parse_topic_storage(name)


def test_connections_are_spread_over_all_shards() -> None:
    shards = [shard_of(f"connection-{number}=") for number in range(400)]
    assert all(shards.count(shard) > 60 for shard in range(SHARDS))
    assert shards == [shard_of(f"connection-{number}=") for number in range(400)]


@given(st.from_regex(r"[A-Za-z0-9_-]{1,32}", fullmatch=True), st.integers(0, MAX_OFFSET))
def test_a_position_is_read_as_it_was_given(epoch: str, offset: int) -> None:
    assert parse_position(str(Position(epoch, offset))) == Position(epoch, offset)


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", ":1", "e:", "e:-1", "e:01", "e:+1", "e: 1", "e:1 ", "e:1\n", "e:1:2", "é:1", "e:1.0"),
        *("e:\N{ARABIC-INDIC DIGIT ONE}", "e" * 33 + ":1", f"e:{MAX_OFFSET + 1}", "e:" + "9" * 400),
    ],
)
def test_what_is_no_position_is_said_to_be_none(text: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse_position(text)
    assert refused.value.code is ErrorCode.INVALID_MESSAGE
