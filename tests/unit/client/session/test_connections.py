"""Connections: opened, greeted, kept alive, replaced, lost."""

import pytest

from pushaside.errors import CannotConnectError, ConnectionClosedError, RequestTimeoutError, UnauthorizedError
from pushaside.protocol.topic_questions import ChannelSubject
from pushaside.settings import Settings
from tests.unit.client.driver import Driver, seeded

BUSY = CannotConnectError("Busy.", status=503)
ABSENT = CannotConnectError("Nothing is there.", is_answered=False)


def greeted(driver: Driver, **fields: object) -> int:
    link = driver.open()
    driver.receive(link, **{"type": "welcome", "id": driver.hello(link)["id"], "session": "s1", **fields})
    return link


# Opening


def test_the_first_message_is_a_hello() -> None:
    driver = Driver()
    question = driver.ask()
    link = driver.open()

    assert driver.actions(link) == ["hello", "request"]
    assert driver.requests(link) == [question]
    assert "session" not in driver.hello(link)


def test_a_hello_without_a_welcome_is_said_again_some_times() -> None:
    driver = Driver(Settings(max_retries=2))
    link = driver.open()
    driver.receive(link, type="something")
    driver.advance(500.0)

    assert driver.actions(link) == ["hello"] * 3


def test_a_hello_that_is_not_taken_is_not_said_again() -> None:
    driver = Driver()
    link = driver.open()
    driver.error(link, driver.hello(link)["id"], "unknown_action")
    driver.advance(500.0)

    assert driver.actions(link) == ["hello"]


def test_nothing_there_at_the_first_attempt_ends_it_at_once() -> None:
    driver = Driver()
    driver.refuse(ABSENT)

    assert driver.ended is ABSENT


def test_a_busy_service_is_tried_some_times() -> None:
    driver = Driver(Settings(connect_attempts=3), random=lambda: 0.5)
    driver.refuse(BUSY)
    driver.refuse(BUSY)
    assert driver.ended is None
    driver.refuse(BUSY)

    assert driver.ended is BUSY
    assert driver.waits == [0.0, 0.25, 0.5]


def test_a_busy_service_is_left_alone_for_as_long_as_it_asks() -> None:
    driver = Driver()
    driver.refuse(CannotConnectError("Busy.", status=429, retry_after=7.0))

    assert driver.waits == [0.0, 7.0]


def test_a_refused_credential_ends_it_at_once() -> None:
    driver = Driver()
    driver.refuse(UnauthorizedError("No."))

    assert isinstance(driver.ended, UnauthorizedError)
    with pytest.raises(UnauthorizedError):
        driver.ask()


# Losing


def test_what_is_unanswered_is_asked_again_on_the_next_connection_under_the_same_id() -> None:
    driver = Driver()
    first = greeted(driver)
    answered, accepted, unheard = driver.ask(), driver.ask(), driver.ask()
    driver.result(first, answered)
    driver.receive(first, type="accepted", id=accepted)
    driver.lose(first)
    second = driver.open()

    assert driver.requests(second) == [accepted, unheard]


def test_the_session_is_resumed_after_a_loss() -> None:
    driver = Driver()
    driver.lose(greeted(driver, session="s7"))

    assert driver.hello(driver.open())["session"] == "s7"


def test_requests_made_between_connections_wait_for_the_next() -> None:
    driver = Driver()
    driver.lose(greeted(driver))
    question = driver.ask()
    link = driver.open()

    assert driver.requests(link) == [question]


def test_a_request_that_waits_to_be_retried_keeps_waiting_across_a_loss() -> None:
    driver = Driver()
    first = greeted(driver)
    question = driver.ask()
    driver.error(first, question, "rate_limited", retryable=True, retry_after_ms=3000)
    driver.lose(first)
    second = driver.open()
    driver.advance(2.9)
    assert driver.requests(second) == []

    driver.advance(0.1)
    assert driver.requests(second) == [question]


def test_attempts_to_reconnect_are_spread_ever_wider_and_never_end() -> None:
    driver = Driver(Settings(backoff_base_seconds=0.5, backoff_cap_seconds=4.0), random=lambda: 0.5)
    driver.lose(greeted(driver))
    for _ in range(6):
        driver.refuse(ABSENT)

    assert driver.ended is None
    assert driver.waits == [0.0, 0.25, 0.25, 0.5, 1.0, 2.0, 2.0, 2.0]


def test_waits_differ_between_clients() -> None:
    drivers = [Driver(random=seeded(seed)) for seed in range(20)]
    for driver in drivers:
        driver.lose(greeted(driver))

    assert len({driver.waits[-1] for driver in drivers}) == 20


def test_reconnecting_ends_when_told_so() -> None:
    driver = Driver(Settings(reconnect_attempts=2))
    driver.lose(greeted(driver))
    question = driver.ask()
    driver.refuse(ABSENT)
    assert driver.ended is None
    driver.refuse(ABSENT)

    assert driver.ended is ABSENT
    assert isinstance(driver.outcomes[question], CannotConnectError)


def test_a_credential_refused_on_reconnecting_fails_what_is_unanswered() -> None:
    driver = Driver()
    first = greeted(driver)
    question = driver.ask()
    driver.lose(first)
    driver.refuse(UnauthorizedError("Expired."))

    assert isinstance(driver.outcomes[question], UnauthorizedError)


def test_a_service_that_hangs_up_on_everybody_is_tried_ever_more_rarely() -> None:
    driver = Driver(random=lambda: 0.5)
    for _ in range(4):
        driver.lose(driver.open())

    assert driver.waits == [0.0, 0.25, 0.5, 1.0, 2.0]


def test_one_thing_heard_makes_the_next_failure_a_first_one() -> None:
    driver = Driver(random=lambda: 0.5)
    driver.lose(driver.open())
    driver.lose(driver.open())
    driver.lose(greeted(driver))

    assert driver.waits == [0.0, 0.25, 0.5, 0.25]


# Living


def test_silence_is_broken_by_a_ping_before_the_gateway_cuts_it() -> None:
    driver = Driver(Settings(keepalive_seconds=540.0))
    link = greeted(driver)
    driver.advance(539.0)
    assert driver.actions(link) == ["hello"]
    driver.advance(1.0)

    assert driver.actions(link) == ["hello", "ping"]


def test_traffic_in_either_direction_puts_the_ping_off() -> None:
    driver = Driver(Settings(keepalive_seconds=540.0))
    link = greeted(driver)
    driver.advance(300.0)
    driver.receive(link, type="update")
    driver.advance(300.0)
    driver.result(link, driver.ask())
    driver.advance(539.0)

    assert "ping" not in driver.actions(link)


def test_the_keepalive_goes_on_for_ever() -> None:
    driver = Driver(Settings(keepalive_seconds=100.0))
    link = greeted(driver)
    for _ in range(5):
        driver.advance(100.0)
        driver.receive(link, type="pong")

    assert driver.actions(link) == ["hello"] + ["ping"] * 5


def test_a_connection_on_which_nothing_answers_a_ping_is_lost() -> None:
    driver = Driver(Settings(keepalive_seconds=100.0, pong_timeout_seconds=10.0))
    link = greeted(driver)
    driver.advance(109.0)
    assert driver.closed == []
    driver.advance(1.0)

    assert driver.closed == [link]
    assert driver.connecting


def test_anything_heard_after_a_ping_proves_life() -> None:
    driver = Driver(Settings(keepalive_seconds=100.0, pong_timeout_seconds=10.0))
    link = greeted(driver)
    driver.advance(105.0)
    driver.receive(link, type="update")
    driver.advance(50.0)

    assert driver.closed == []


def subscribed(driver: Driver) -> int:
    driver.session.subscribe(ChannelSubject("demo:news"), None, driver.now)
    link = greeted(driver)
    asked = driver.sent[-1][1]["id"]
    driver.receive(link, type="subscribed", id=asked, topic="demo:news", position="e1:0", recovered=True)
    return link


def test_who_has_subscribed_and_hears_nothing_asks_for_a_sign_of_life() -> None:
    driver = Driver()
    link = subscribed(driver)
    driver.advance(119.0)
    assert "ping" not in driver.actions(link)
    driver.advance(1.0)
    assert driver.actions(link)[-1] == "ping"
    driver.receive(link, type="pong")
    driver.advance(120.0)

    assert driver.actions(link).count("ping") == 2


def test_what_is_sent_to_the_service_is_no_sign_of_life_for_who_has_subscribed() -> None:
    driver = Driver(Settings(reask_seconds=300.0))
    link = subscribed(driver)
    driver.advance(110.0)
    driver.ask(deadline=60.0)
    driver.advance(10.0)

    assert driver.actions(link)[-1] == "ping"


def test_what_a_subscription_brings_puts_the_ping_off() -> None:
    driver = Driver()
    link = subscribed(driver)
    for number in range(1, 6):
        driver.advance(115.0)
        driver.receive(link, type="update", topic="demo:news", position=f"e1:{number}", data=number)

    assert "ping" not in driver.actions(link)


def test_a_subscription_in_a_black_hole_is_on_another_connection_after_little_more_than_two_minutes() -> None:
    driver = Driver()
    dead = subscribed(driver)
    driver.advance(129.0)
    assert driver.closed == []
    driver.advance(1.0)
    assert driver.closed == [dead]
    alive = driver.open()

    assert driver.actions(alive) == ["hello", "subscribe"]
    assert driver.sent[-1][1]["since"] == "e1:0"


def test_a_request_into_a_dead_connection_is_noticed_and_asked_on_another() -> None:
    driver = Driver(Settings(reask_seconds=10.0, pong_timeout_seconds=10.0))
    dead = greeted(driver)
    driver.advance(1.0)
    question = driver.ask(deadline=60.0)
    driver.advance(20.0)
    assert driver.closed == [dead]
    alive = driver.open()
    driver.result(alive, question, data=1)

    assert driver.requests(alive) == [question]
    assert driver.outcomes[question].data == 1


def test_a_slow_answer_on_a_live_connection_is_no_reason_to_replace_it() -> None:
    driver = Driver(Settings(reask_seconds=10.0))
    link = greeted(driver)
    driver.advance(1.0)
    question = driver.ask(deadline=60.0)
    pongs = 0
    for _ in range(50):
        driver.advance(1.0)
        if driver.actions(link).count("ping") > pongs:
            driver.receive(link, type="pong")
            pongs += 1

    assert question not in driver.outcomes
    assert driver.closed == []


# Replacing


def test_a_connection_is_replaced_before_its_time_with_overlap() -> None:
    driver = Driver(Settings(keepalive_seconds=7200.0))
    old = greeted(driver, reconnect_after_seconds=6600)
    driver.advance(6600.0)
    question = driver.ask(deadline=60.0)
    new = driver.open()

    assert driver.closed == []
    assert driver.hello(new)["session"] == "s1"
    driver.result(old, question, data="from the old")
    driver.advance(0.0)
    assert driver.outcomes[question].data == "from the old"
    assert driver.requests(new) == []
    assert driver.closed == [old]


def replacing(driver: Driver) -> int:
    old = greeted(driver, reconnect_after_seconds=100)
    driver.advance(100.0)
    assert driver.connecting
    return old


def test_an_idle_connection_is_closed_as_soon_as_it_is_replaced() -> None:
    driver = Driver()
    old = replacing(driver)
    new = driver.open()
    driver.advance(0.0)

    assert driver.closed == [old]
    assert driver.links == [new]


def test_new_requests_go_to_the_new_connection() -> None:
    driver = Driver()
    old = replacing(driver)
    driver.ask(deadline=60.0)
    new = driver.open()
    later = driver.ask()

    assert driver.requests(new) == [later]
    assert later not in driver.requests(old)


def test_an_old_connection_is_kept_for_its_answers_only_so_long() -> None:
    driver = Driver(Settings(drain_seconds=5.0))
    old = replacing(driver)
    question = driver.ask(deadline=60.0)
    new = driver.open()
    driver.advance(5.0)

    assert driver.closed == [old]
    assert driver.requests(new) == [question]


def test_a_replacement_that_cannot_be_had_leaves_the_connection_in_use() -> None:
    driver = Driver(Settings(backoff_cap_seconds=30.0))
    old = replacing(driver)
    driver.refuse(UnauthorizedError("Expired."))
    question = driver.ask()
    driver.result(old, question, data="still here")

    assert driver.ended is None
    assert driver.outcomes[question].data == "still here"
    driver.advance(30.0)
    assert driver.connecting


def test_connections_are_replaced_at_different_times() -> None:
    drivers = [Driver(random=seeded(seed)) for seed in range(10)]
    for driver in drivers:
        greeted(driver, reconnect_after_seconds=100)
        driver.advance(90.0)
    waiting = []
    for driver in drivers:
        assert not driver.connecting
        while not driver.connecting:
            driver.advance(0.5)
        waiting.append(driver.now)

    assert len(set(waiting)) > 3
    assert max(waiting) <= 200.5


# Goodbyes


def test_after_a_bye_another_connection_is_opened_while_there_is_time() -> None:
    waits = []
    for seed in range(20):
        driver = Driver(random=seeded(seed))
        driver.receive(greeted(driver), type="bye", code=1001, retry=True, after_ms=60_000)
        waits.append(driver.waits[-1])

    assert max(waits) - min(waits) > 15.0
    assert 0.0 <= min(waits) < max(waits) <= 30.0


def test_until_then_the_old_connection_is_used() -> None:
    driver = Driver()
    old = greeted(driver)
    driver.receive(old, type="bye", code=1001, retry=True, after_ms=60_000)
    before = driver.ask()
    new = driver.open()
    after = driver.ask()
    driver.result(old, before, data="from the old")
    driver.advance(0.0)

    assert (driver.requests(old), driver.requests(new)) == ([before], [after])
    assert driver.outcomes[before].data == "from the old"
    assert driver.closed == [old]


def test_after_a_bye_that_leaves_no_time_nothing_more_is_asked_on_the_old_connection() -> None:
    driver = Driver()
    old = greeted(driver)
    driver.receive(old, type="bye", code="deploying", retry=True, after_ms=0)
    question = driver.ask()
    new = driver.open()

    assert driver.requests(old) == []
    assert driver.requests(new) == [question]


def test_answers_that_come_between_bye_and_close_are_taken() -> None:
    driver = Driver()
    old = greeted(driver)
    question = driver.ask()
    driver.receive(old, type="bye", code="deploying", retry=True, after_ms=0)
    driver.result(old, question, data="just in time")

    assert driver.outcomes[question].data == "just in time"


def test_a_bye_for_good_ends_the_session() -> None:
    driver = Driver()
    link = greeted(driver)
    question = driver.ask()
    driver.receive(link, type="bye", code="retired", retry=False)

    assert isinstance(driver.ended, ConnectionClosedError)
    assert isinstance(driver.outcomes[question], ConnectionClosedError)
    assert not driver.connecting


def test_a_bye_for_good_with_a_known_code_is_raised_as_such() -> None:
    driver = Driver()
    driver.receive(greeted(driver), type="bye", code="unauthorized", retry=False)

    assert isinstance(driver.ended, UnauthorizedError)


# Pings


def test_a_ping_measures_the_round_trip() -> None:
    driver = Driver()
    link = greeted(driver)
    ping = driver.ping()
    driver.advance(0.25)
    driver.receive(link, type="pong")

    assert driver.outcomes[ping] == 0.25


def test_pongs_answer_pings_in_order() -> None:
    driver = Driver()
    link = greeted(driver)
    first = driver.ping()
    driver.advance(0.25)
    second = driver.ping()
    driver.advance(0.25)
    driver.receive(link, type="pong")
    driver.receive(link, type="pong")

    assert (driver.outcomes[first], driver.outcomes[second]) == (0.5, 0.25)


def test_a_lost_pong_does_not_cost_every_later_ping_its_own() -> None:
    driver = Driver()
    link = greeted(driver)
    lost = driver.ping(deadline=5.0)
    driver.advance(1.0)
    driver.receive(link, type="update")
    driver.advance(20.0)
    ping = driver.ping()
    driver.advance(0.25)
    driver.receive(link, type="pong")

    assert isinstance(driver.outcomes[lost], RequestTimeoutError)
    assert driver.outcomes[ping] == 0.25


def test_a_ping_is_sent_again_when_its_connection_is_lost() -> None:
    driver = Driver()
    first = greeted(driver)
    ping = driver.ping()
    driver.lose(first)
    driver.advance(1.0)
    second = greeted(driver)
    driver.advance(0.25)
    driver.receive(second, type="pong")

    assert driver.outcomes[ping] == 0.25
