"""A ticket is good once, for a minute."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from push.access.tickets import TICKET_SECONDS
from push.access.tokens import Identity
from push.adapters.dynamodb.tickets import DynamoDbTickets
from push.callers import JsonClaims
from push.computes import Tenant
from tests.servers.aws import Aws

NOW = 1_700_000_000.5
ADA = Identity(Tenant("acme"), "ada", JsonClaims('{"role":"clerk"}'))


@pytest.fixture
def tickets(aws: Aws) -> DynamoDbTickets:
    return DynamoDbTickets(aws.client("dynamodb"), aws.tables["tickets"])


def test_a_ticket_stands_for_whom_it_was_issued_to(tickets: DynamoDbTickets) -> None:
    tickets.issue("secret", ADA, NOW)
    assert tickets.spend("secret", NOW + 1) == ADA


def test_a_ticket_is_spent_by_its_first_use(tickets: DynamoDbTickets) -> None:
    tickets.issue("secret", ADA, NOW)
    tickets.spend("secret", NOW)
    assert tickets.spend("secret", NOW) is None


def test_of_uses_at_once_one_succeeds(tickets: DynamoDbTickets) -> None:
    tickets.issue("secret", ADA, NOW)
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: tickets.spend("secret", NOW), range(8)))
    assert sorted(outcomes, key=str) == sorted([ADA, *[None] * 7], key=str)


def test_a_ticket_is_not_good_after_its_time(tickets: DynamoDbTickets) -> None:
    tickets.issue("secret", ADA, NOW)
    assert tickets.spend("secret", NOW + TICKET_SECONDS) is None


def test_a_ticket_nobody_issued_is_not_good(tickets: DynamoDbTickets) -> None:
    assert tickets.spend("guessed", NOW) is None


def test_the_table_holds_no_ticket_that_could_be_used(aws: Aws, tickets: DynamoDbTickets) -> None:
    tickets.issue("secret", ADA, NOW)
    assert "secret" not in str(aws.rows("tickets"))
