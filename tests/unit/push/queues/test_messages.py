"""Jobs and deliveries as queue messages: read as they were written, of characters that SQS takes, or refused."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from push.cache.jobs import (
    GUARDIAN_DELAY_SECONDS,
    JobKind,
    Waiter,
    parse_job,
    serialize_job,
    with_guardian,
)
from push.delivery.deliveries import Delivery, parse_delivery, serialize_delivery
from push.errors import ErrorCode, RequestError
from push.queues.escaping import escape_for_sqs
from tests.builders.results import make_job

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
WAITERS = st.builds(Waiter, TEXT, TEXT, st.integers(0, 2**53))
JOBS = st.builds(
    make_job,
    st.sampled_from(JobKind),
    params=st.dictionaries(TEXT, TEXT | st.integers(), max_size=3).map(
        lambda params: json.dumps(params, ensure_ascii=False).encode()
    ),
    token=TEXT,
    attempt=st.integers(1, 5),
    waiter=st.none() | WAITERS,
    deadline_ms=st.integers(0, 2**53),
)


def is_taken_by_sqs(text: str) -> bool:
    """Say whether SQS takes every character ("Amazon SQS message quotas": as XML 1.0)."""
    return all(c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c >= "\U00010000" for c in text)


@given(JOBS)
def test_a_job_is_read_as_it_was_written(job) -> None:
    body = serialize_job(job)
    assert is_taken_by_sqs(body)
    read = parse_job(body)
    assert json.loads(bytes(read.params)) == json.loads(bytes(job.params))
    assert msgspec.structs.replace(read, params=job.params) == job


@given(st.builds(Delivery, TEXT, TEXT, st.integers(0, 2**53), st.integers(1, 10)))
def test_a_delivery_is_read_as_it_was_written(delivery: Delivery) -> None:
    body = serialize_delivery(delivery)
    assert is_taken_by_sqs(body)
    assert parse_delivery(body) == delivery


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.text('\ufffd\ufffe\uffff\\u"', max_size=9))
@example("\uffff")
@example("\\\ufffe")
def test_what_is_escaped_for_sqs_says_the_same(text: str) -> None:
    document = json.dumps([text], ensure_ascii=False)
    assert json.loads(escape_for_sqs(document)) == [text]
    assert is_taken_by_sqs(escape_for_sqs(document))


@given(st.text())
@example("[" * 100_000)
@example('{"connection_id":"a","frame":"b","until_ms":"c"}')
@example("\ud800")
def test_any_other_text_is_refused(body: str) -> None:
    for parse in (parse_job, parse_delivery):
        with pytest.raises(RequestError) as caught:
            parse(body)
        assert caught.value.code is ErrorCode.INVALID_MESSAGE


def test_unknown_members_of_a_later_version_are_ignored() -> None:
    job = make_job(waiter=Waiter("ann=", "1"))
    later = json.loads(serialize_job(job)) | {"colour": "red"}
    assert parse_job(json.dumps(later)) == job


def test_a_guardian_is_its_job_but_for_the_kind_and_comes_later() -> None:
    job = make_job(waiter=Waiter("ann=", "1"), deadline_ms=5)
    first, second = with_guardian(job)
    assert (first.job, first.delay_seconds) == (job, 0)
    assert second.job == msgspec.structs.replace(job, kind=JobKind.GUARDIAN)
    assert second.delay_seconds == GUARDIAN_DELAY_SECONDS


def test_the_next_attempt_of_a_delivery_is_one_more() -> None:
    delivery = Delivery("ann=", "{}", 5)
    assert [delivery.attempt, delivery.again().attempt, delivery.again().again().attempt] == [1, 2, 3]
