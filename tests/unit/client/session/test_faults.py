"""API Gateway's own error frames, which name no request."""

from pushaside.errors import ForbiddenError, InternalError
from pushaside.settings import Settings
from tests.unit.client.driver import Driver


def greeted(driver: Driver) -> int:
    link = driver.open()
    driver.receive(link, type="welcome", id=driver.hello(link)["id"], session="s1")
    return link


def test_whatever_is_not_accepted_is_asked_again_with_backoff() -> None:
    driver = Driver(random=lambda: 0.5)
    link = greeted(driver)
    accepted, unheard = driver.ask(), driver.ask()
    driver.receive(link, type="accepted", id=accepted)
    driver.fault(link)
    driver.advance(0.2)
    assert driver.requests(link) == [accepted, unheard]

    driver.advance(0.1)
    assert driver.requests(link) == [accepted, unheard, unheard]


def test_more_faults_while_waiting_to_ask_again_do_not_count() -> None:
    driver = Driver(Settings(max_retries=1), random=lambda: 0.5)
    link = greeted(driver)
    question = driver.ask()
    for _ in range(5):
        driver.fault(link)
    driver.advance(1.0)

    assert driver.outcomes == {}
    assert driver.requests(link) == [question, question]


def test_a_request_that_keeps_failing_ends_in_an_error() -> None:
    driver = Driver(Settings(max_retries=2))
    link = greeted(driver)
    question = driver.ask()
    for _ in range(3):
        assert driver.outcomes == {}
        driver.fault(link)
        driver.advance(0.0)

    assert isinstance(driver.outcomes[question], InternalError)
    assert driver.outcomes[question].message == "API Gateway answered: Internal server error."


def test_a_hello_that_failed_is_said_again() -> None:
    driver = Driver()
    link = driver.open()
    driver.fault(link, "Endpoint request timed out")
    driver.advance(0.0)

    assert driver.actions(link) == ["hello", "hello"]


def test_forbidden_is_put_down_to_an_unanswered_hello_first() -> None:
    driver = Driver()
    link = driver.open()
    question = driver.ask()
    driver.fault(link, "Forbidden")
    assert driver.outcomes == {}

    driver.result(link, question, data=1)
    assert driver.outcomes[question].data == 1


def test_forbidden_is_put_down_to_an_unanswered_ping_next() -> None:
    driver = Driver()
    link = greeted(driver)
    question, ping = driver.ask(), driver.ping()
    driver.fault(link, "Forbidden")

    assert question not in driver.outcomes
    assert isinstance(driver.outcomes[ping], ForbiddenError)


def test_forbidden_fails_the_requests_when_nothing_else_explains_it() -> None:
    driver = Driver()
    link = greeted(driver)
    accepted, first, second = driver.ask(), driver.ask(), driver.ask()
    driver.receive(link, type="accepted", id=accepted)
    driver.fault(link, "Forbidden")

    assert accepted not in driver.outcomes
    assert [type(driver.outcomes[each]) for each in (first, second)] == [ForbiddenError] * 2


def test_an_error_without_an_id_is_a_pings() -> None:
    driver = Driver()
    link = greeted(driver)
    question, ping = driver.ask(), driver.ping()
    driver.error(link, None, "unknown_action")

    assert question not in driver.outcomes
    assert driver.outcomes[ping].code == "unknown_action"
