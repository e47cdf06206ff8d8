"""Running a compute within its timeout, and turning its outcome into a result that can be stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

import msgspec

from push.adapters.threads import run_compute
from push.cache.freshness import lifetime
from push.cache.jobs import Job
from push.computes import AnyCompute, Computed
from push.errors import ComputeFailedError, ErrorCode, RequestError, TransientError
from push.keys import Key
from push.metrics import Counter, Metric
from push.protocol.frames import render_error_object
from push.protocol.payloads import LINK_FROM_BYTES, payload_name
from push.protocol.ports import Payloads
from push.results import Result, Status, is_storable, make_etag
from push.settings import ComputeSettings
from push.sources.contexts import Context, NoSources, Progress
from push.sources.outcomes import complete, encode_value, with_tags_of_reads
from push.sources.ports import Sources
from push.sources.tracking import NO_WATCH, TagWatch

logger = logging.getLogger(__name__)

_LOGGED_PARAMS_BYTES = 1000


class LoggedFailureError(TransientError):
    """A compute raised an exception that it did not declare as transient; its traceback is in the log already."""

    default_code = ErrorCode.COMPUTE_FAILED


class Task(msgspec.Struct, frozen=True):
    """A job with its compute, its key, and the number of this attempt, from 1."""

    job: Job
    compute: AnyCompute
    key: Key
    attempt: int


class Computing(msgspec.Struct, frozen=True, kw_only=True):
    """Runs computes for one execution environment.

    Args:
        settings: for the computes of this project.
        sources: the tables and buckets that computes read.
        payloads: stores large values, so that answers can link to them.
        counter: counts runs, their time, and failures.
        now_ms: the clock, in milliseconds since 1970.
        clock_us: a clock that never goes back, in microseconds.
        random: in [0, 1), spreads expiries.

    """

    settings: ComputeSettings
    sources: Sources = msgspec.field(default_factory=NoSources)
    payloads: Payloads
    counter: Counter
    now_ms: Callable[[], int]
    clock_us: Callable[[], int]
    random: Callable[[], float]

    async def compute(self, task: Task, stored_version: int = 0, watch: TagWatch = NO_WATCH) -> Result:
        """Run the compute once and return its value, or its deterministic failure, as a result.

        Args:
            task: what to compute.
            stored_version: the source version of the stored result, for the compute's context.
            watch: watches the tags of what the run reads.

        Raises:
            TransientError: the compute failed and a retry may succeed, it took too long, or its large value could not
                be stored as a payload.

        """
        name = ("ComputeName", task.compute.name)
        started_ms, started_us = self.now_ms(), self.clock_us()
        context = self._make_context(task, started_ms, stored_version, watch)
        self.counter.count(Metric.COMPUTE, dimension=name)
        try:
            computed = await self._run(task, context)
            status, data = Status.VALUE, encode_value(computed.value)
        except (ComputeFailedError, RequestError) as exc:
            logger.info("%s failed: %s", task.key.storage, exc.message)
            self.counter.count(Metric.COMPUTE_FAILURE, dimension=name)
            # A failure has tags too: the next change of its sources may make the compute succeed.
            tags = with_tags_of_reads((*self.tags_of(task), *_storable(context.tags)), context.reads)
            computed = Computed(None, _version_of(exc), tags)
            status, data = Status.FAILURE, render_error_object(exc)
        cost_us = self.clock_us() - started_us
        self.counter.count(Metric.COMPUTE_MILLISECONDS, cost_us / 1000, dimension=name)
        self.counter.count(Metric.RESULT_BYTES, len(data), dimension=name)
        fresh_until_ms, stale_until_ms = lifetime(task.compute, status, self.now_ms(), self.random())
        etag = make_etag(data)
        if status is Status.VALUE and len(data) >= LINK_FROM_BYTES:
            await asyncio.to_thread(self.payloads.put, payload_name(task.key, etag), data)
        return Result(
            status=status,
            # The sources may have been read as early as the start.
            computed_at_ms=started_ms,
            fresh_until_ms=fresh_until_ms,
            stale_until_ms=stale_until_ms,
            etag=etag,
            data=data,
            cost_us=cost_us,
            source_version=computed.source_version,
            tags=computed.tags,
        )

    def tags_of(self, task: Task) -> tuple[str, ...]:
        """Return the tags of a result that are known before it is computed.

        Raises:
            TransientError: the compute's own `tags` function raised.

        """
        try:
            return tuple(task.compute.tags(task.compute.parse_params(task.job.params)))
        except Exception as exc:
            logger.exception("the `tags` function of %s raised", task.key.storage, extra=describe(task))
            raise LoggedFailureError from exc

    def _make_context(self, task: Task, started_ms: int, stored_version: int, watch: TagWatch) -> Context:
        return Context(
            tenant=task.job.tenant,
            principal=task.job.principal,
            scope=task.compute.scope,
            attempt=task.attempt,
            deadline=started_ms / 1000 + task.compute.timeout_seconds,
            sources=self.sources,
            report=partial(_log_progress, task),
            settings=self.settings,
            stored_version=stored_version,
            watch=watch,
        )

    async def _run(self, task: Task, context: Context) -> Computed:
        compute = task.compute
        params = compute.parse_params(task.job.params)
        try:
            async with asyncio.timeout(compute.timeout_seconds):
                value = await run_compute(compute, params, context)
            return complete(value, self.tags_of(task), context.tags, context.reads)
        except (ComputeFailedError, RequestError, TransientError):
            raise
        except TimeoutError as exc:
            sentence = f"{compute.name} took longer than its timeout of {compute.timeout_seconds:g} s."
            raise TransientError(sentence, code=ErrorCode.TIMEOUT) from exc
        except Exception as exc:
            logger.exception("%s raised in attempt %d", task.key.storage, task.attempt, extra=describe(task))
            raise LoggedFailureError from exc


def describe(task: Task) -> dict[str, object]:
    """Return the fields of a log line that tell a failed run from others: its params, cut, and its first request."""
    waiter = task.job.waiter
    return {
        "params": bytes(task.job.params)[:_LOGGED_PARAMS_BYTES].decode(errors="replace"),
        "request_id": waiter.request_id if waiter else "",
        "attempt": task.attempt,
    }


def _version_of(failure: ComputeFailedError | RequestError) -> int:
    """Return the source version of a failure; 0 if it has none that can be stored."""
    version = failure.source_version if isinstance(failure, ComputeFailedError) else 0
    return version if is_storable((), version) else 0


def _storable(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tags if is_storable(tags, 0) else ()


def _log_progress(task: Task, progress: Progress) -> None:
    total = "" if progress.total is None else f" of {progress.total:g}"
    logger.info("%s: %g%s done. %s", task.key.storage, progress.done, total, progress.message)
