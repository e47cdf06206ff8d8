"""What becomes of requests: each ends once, whatever the service and the network make of it."""

import pytest

from pushaside.errors import (
    ConnectionClosedError,
    InternalError,
    NotFoundError,
    RateLimitedError,
    RequestTimeoutError,
    TooLargeError,
)
from pushaside.protocol.questions import ask_compute
from pushaside.settings import Settings
from tests.unit.client.driver import Driver


def test_a_request_ends_in_its_result() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask({"ids": ["TX"]})
    driver.result(link, question, data=[1, 2])

    assert driver.outcomes[question].data == [1, 2]


def test_answers_find_their_requests_in_any_order() -> None:
    driver = Driver()
    link = driver.open()
    questions = [driver.ask() for _ in range(5)]
    for question in reversed(questions):
        driver.result(link, question, data=question)

    assert {question: driver.outcomes[question].data for question in questions} == {each: each for each in questions}


def test_accepted_ends_nothing() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    driver.receive(link, type="accepted", id=question)

    assert driver.outcomes == {}


def test_a_result_may_overtake_its_accepted() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    driver.result(link, question, data="early")
    driver.receive(link, type="accepted", id=question)

    assert driver.outcomes[question].data == "early"


def test_only_the_first_answer_counts() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    driver.result(link, question, data="first")
    driver.result(link, question, data="second")
    driver.error(link, question, "internal")

    assert driver.outcomes[question].data == "first"


def test_an_error_that_asking_again_does_not_help_ends_the_request() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    driver.error(link, question, "not_found")

    assert isinstance(driver.outcomes[question], NotFoundError)


def test_a_retryable_error_that_does_not_say_when_ends_the_request() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    driver.error(link, question, "internal", retryable=True)

    assert isinstance(driver.outcomes[question], InternalError)
    assert driver.outcomes[question].retryable


def test_an_error_that_says_when_to_come_back_is_followed_under_the_same_id() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    driver.error(link, question, "rate_limited", retryable=True, retry_after_ms=2000)
    driver.advance(1.9)
    assert driver.requests(link) == [question]

    driver.advance(0.1)
    assert driver.requests(link) == [question, question]
    driver.result(link, question, data="at last")
    assert driver.outcomes[question].data == "at last"


def test_what_is_left_of_the_deadline_is_sent_when_asking_again() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask(deadline=5.0)
    driver.error(link, question, "source_throttled", retryable=True, retry_after_ms=2000)
    driver.advance(2.0)

    assert [message["deadline_ms"] for _, message in driver.sent if message["action"] == "request"] == [5000, 3000]


def test_the_same_error_twice_is_one_retry() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    for _ in range(2):
        driver.error(link, question, "rate_limited", retryable=True, retry_after_ms=1000)
    driver.advance(5.0)

    assert driver.requests(link) == [question, question]


def test_a_result_is_taken_while_the_request_waits_to_be_asked_again() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    driver.error(link, question, "rate_limited", retryable=True, retry_after_ms=1000)
    driver.result(link, question, data="after all")
    driver.advance(5.0)

    assert driver.outcomes[question].data == "after all"
    assert driver.requests(link) == [question]


def test_an_error_that_asks_to_come_back_past_the_deadline_ends_the_request_at_once() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask(deadline=5.0)
    driver.error(link, question, "rate_limited", retryable=True, retry_after_ms=5000)

    assert isinstance(driver.outcomes[question], RateLimitedError)
    assert driver.outcomes[question].retry_after == 5.0


def test_errors_are_followed_a_bounded_number_of_times() -> None:
    driver = Driver(Settings(max_retries=2))
    link = driver.open()
    question = driver.ask()
    for _ in range(3):
        assert question not in driver.outcomes
        driver.error(link, question, "rate_limited", retryable=True, retry_after_ms=100)
        driver.advance(0.1)

    assert isinstance(driver.outcomes[question], RateLimitedError)
    assert len(driver.requests(link)) == 3


def test_a_silent_service_is_asked_again_ever_more_rarely() -> None:
    driver = Driver(Settings(reask_seconds=10.0, reask_cap_seconds=30.0))
    link = driver.open()
    asked_at = driver.now
    question = driver.ask(deadline=200.0)
    times = []
    while question not in driver.outcomes:
        before = len(driver.requests(link))
        driver.advance(1.0)
        driver.receive(link, type="something_else")
        times += [driver.now - asked_at] * (len(driver.requests(link)) - before)

    assert times == [10.0, 30.0, 60.0, 90.0, 120.0, 150.0, 180.0]


def test_an_accepted_request_is_asked_again_too_since_its_answer_may_be_lost() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    driver.receive(link, type="accepted", id=question)
    driver.advance(10.0)

    assert driver.requests(link) == [question, question]


def test_a_request_ends_at_its_deadline() -> None:
    driver = Driver()
    driver.open()
    question = driver.ask(deadline=3.0)
    driver.advance(2.9)
    assert driver.outcomes == {}
    driver.advance(0.1)

    assert isinstance(driver.outcomes[question], RequestTimeoutError)
    assert driver.outcomes[question].message == "There was no answer within 3 s."


def test_a_timeout_tells_what_went_wrong_before() -> None:
    driver = Driver(Settings(backoff_base_seconds=10.0), random=lambda: 0.9)
    link = driver.open()
    question = driver.ask(deadline=3.0)
    driver.fault(link)
    driver.advance(3.0)

    assert "Internal server error" in driver.outcomes[question].message


def test_a_request_made_without_a_connection_times_out_and_says_so() -> None:
    driver = Driver()
    question = driver.ask(deadline=3.0)
    driver.advance(3.0)

    assert driver.outcomes[question].message.endswith("There is no connection to the service.")


def test_an_answer_after_the_deadline_is_ignored() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask(deadline=3.0)
    driver.advance(3.0)
    driver.result(link, question)

    assert isinstance(driver.outcomes[question], RequestTimeoutError)


def test_a_forgotten_request_leaves_nothing_behind() -> None:
    driver = Driver()
    link = driver.open()
    driver.receive(link, type="welcome", id=driver.hello(link)["id"])
    idle = driver.session.next_at()
    question = driver.ask(deadline=3.0)
    driver.forget(question)
    driver.result(link, question)
    driver.advance(20.0)

    assert driver.outcomes == {}
    assert driver.requests(link) == [question]
    assert driver.session.next_at() == idle


def test_a_message_that_is_too_large_is_not_sent() -> None:
    driver = Driver()
    link = driver.open()

    with pytest.raises(TooLargeError, match="131072"):
        driver.ask({"text": "x" * 131072})
    assert driver.requests(link) == []


def test_the_services_own_limit_counts_once_it_is_known() -> None:
    driver = Driver()
    link = driver.open()
    driver.receive(link, type="welcome", id=driver.hello(link)["id"], limits={"message_bytes": 1000})

    with pytest.raises(TooLargeError, match="1000"):
        driver.ask({"text": "x" * 1000})


def test_ending_the_session_fails_everything_and_whatever_is_asked_later() -> None:
    driver = Driver()
    driver.open()
    questions = [driver.ask(), driver.ask()]
    driver.end(ConnectionClosedError("The client was closed."))

    assert [type(driver.outcomes[question]) for question in questions] == [ConnectionClosedError] * 2
    assert driver.links == []
    with pytest.raises(ConnectionClosedError, match="closed"):
        driver.session.ask(ask_compute("documents", None, max_age=None), 1.0, driver.now)


def test_messages_of_a_kind_that_is_not_known_change_nothing() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    driver.receive(link, type="progress", id=question, done=0.5)
    driver.receive(link, anything="else")

    assert driver.outcomes == {}
