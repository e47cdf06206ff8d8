from pushaside.protocol.positions import Position
from pushaside.protocol.topic_messages import Pushed, Value
from pushaside.protocol.topic_questions import ChannelSubject, LiveSubject, Subject, SubscribeQuestion
from pushaside.session.feeds import Feed
from pushaside.session.subscription import Subscription
from pushaside.session.topic_index import TopicIndex

NEWS, BOARD = "demo:news", "live:board"


def subscribe(feed_id: str, subject: Subject) -> Subscription:
    return Subscription(Feed(feed_id, subject, None, 10), SubscribeQuestion(subject, lambda: None, ()))


def channel(feed_id: str) -> Subscription:
    return subscribe(feed_id, ChannelSubject(NEWS))


def live(feed_id: str) -> Subscription:
    return subscribe(feed_id, LiveSubject("board", b"{}"))


def pushed(topic: str) -> Pushed:
    return Pushed(topic, Position("e1", 1), Value(data=1), is_resync=False)


def test_a_topic_has_all_of_its_subscriptions_until_they_are_removed() -> None:
    topics, first, second = TopicIndex(), channel("s1"), channel("s2")
    topics.add(first)
    topics.add(second)
    assert topics.subscribed == {NEWS: {"s1": first, "s2": second}}

    topics.remove(first)
    assert topics.subscribed == {NEWS: {"s2": second}}
    topics.remove(second)
    assert topics.subscribed == {}
    assert not topics.may_have(NEWS)


def test_while_a_topic_is_unknown_it_may_be_any() -> None:
    topics, subscription = TopicIndex(), live("s1")
    topics.add(subscription)
    assert topics.may_have(BOARD)
    assert topics.may_have("live:other")

    topics.name(subscription, BOARD)
    assert topics.subscribed == {BOARD: {"s1": subscription}}
    assert not topics.may_have("live:other")


def test_a_message_that_overtakes_the_name_of_its_topic_is_returned_with_it() -> None:
    topics, subscription = TopicIndex(), live("s1")
    topics.add(subscription)
    topics.hold(pushed(BOARD))

    assert topics.name(subscription, BOARD) == pushed(BOARD)


def test_messages_of_unknown_topics_are_dropped_once_every_topic_is_known() -> None:
    topics, first, second = TopicIndex(), live("s1"), live("s2")
    topics.add(first)
    topics.hold(pushed("live:other"))
    topics.name(first, BOARD)
    topics.hold(pushed("live:other"))
    topics.add(second)

    assert topics.name(second, "live:other") is None
