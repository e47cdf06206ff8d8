"""Running a compute: within its time, its outcome turned into a result that can be stored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from push.cache.freshness import lifetime
from push.cache.jobs import Job
from push.computes import AnyCompute, ComputeContext, Computed
from push.errors import ComputeFailedError, ErrorCode, RequestError, TransientError
from push.keys import Key
from push.metrics import Counter, Metric
from push.protocol.frames import render_error_object
from push.protocol.payloads import LINK_FROM_BYTES, payload_name
from push.protocol.ports import Payloads
from push.results import Result, Status, is_storable, make_etag
from push.settings import ComputeSettings

logger = logging.getLogger(__name__)

_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class KeyJob:
    """A job, the compute it names, the key it is about, and which attempt this is."""

    job: Job
    compute: AnyCompute
    key: Key
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Computing:
    """Runs computes for one execution environment.

    Args:
        settings: handed to every compute.
        payloads: where large values are put, so that whoever has the result can link to them.
        counter: where runs, their time and failures are counted.
        now_ms: the clock, in milliseconds since 1970.
        clock_us: a clock that never goes back, in microseconds.
        random: in [0, 1), spreads expiries.

    """

    settings: ComputeSettings
    payloads: Payloads
    counter: Counter
    now_ms: Callable[[], int]
    clock_us: Callable[[], int]
    random: Callable[[], float]

    async def compute(self, work: KeyJob) -> Result:
        """Run the compute once and return its value, or its deterministic failure, as a result.

        Raises:
            TransientError: it failed in a way that another attempt may mend, or took too long, or its value is large
                and could not be put where it is read from.

        """
        name = ("ComputeName", work.compute.name)
        started_ms, started_us = self.now_ms(), self.clock_us()
        self.counter.count(Metric.COMPUTE, dimension=name)
        try:
            computed = await self._run(work)
            status, data = Status.VALUE, _encode(computed.value)
        except (ComputeFailedError, RequestError) as exc:
            logger.info("%s failed: %s", work.key.storage, exc.message)
            self.counter.count(Metric.COMPUTE_FAILURE, dimension=name)
            # Tagged too: what is not there now may be there after the next change.
            computed, status, data = Computed(None, tags=self.tags_of(work)), Status.FAILURE, render_error_object(exc)
        cost_us = self.clock_us() - started_us
        self.counter.count(Metric.COMPUTE_MILLISECONDS, cost_us / 1000, dimension=name)
        self.counter.count(Metric.RESULT_BYTES, len(data), dimension=name)
        fresh_until_ms, stale_until_ms = lifetime(work.compute, status, self.now_ms(), self.random())
        etag = make_etag(data)
        if status is Status.VALUE and len(data) >= LINK_FROM_BYTES:
            await asyncio.to_thread(self.payloads.put, payload_name(work.key, etag), data)
        return Result(
            status=status,
            # What was read may be as old as the start.
            computed_at_ms=started_ms,
            fresh_until_ms=fresh_until_ms,
            stale_until_ms=stale_until_ms,
            etag=etag,
            data=data,
            cost_us=cost_us,
            source_version=computed.source_version,
            tags=computed.tags,
        )

    def tags_of(self, work: KeyJob) -> tuple[str, ...]:
        """Return what a result is known to be made from before it is computed.

        Raises:
            TransientError: the compute's own function for it raised.

        """
        try:
            return tuple(work.compute.tags(work.compute.parse_params(work.job.params)))
        except Exception as exc:
            logger.exception("the tags of %s can't be told", work.key.storage)
            raise TransientError(code=ErrorCode.COMPUTE_FAILED) from exc

    async def _run(self, work: KeyJob) -> Computed:
        compute = work.compute
        params = compute.parse_params(work.job.params)
        context = ComputeContext(tenant=work.job.tenant, attempt=work.attempt, settings=self.settings)
        try:
            async with asyncio.timeout(compute.timeout_seconds):
                value = await compute.function(params, context)
            computed = value if isinstance(value, Computed) else Computed(value)
            tags = (*self.tags_of(work), *computed.tags)
        except (ComputeFailedError, RequestError, TransientError):
            raise
        except TimeoutError as exc:
            sentence = f"{compute.name} took longer than its {compute.timeout_seconds:g} s."
            raise TransientError(sentence, code=ErrorCode.TIMEOUT) from exc
        except Exception as exc:
            logger.exception("%s raised at attempt %d", work.key.storage, work.attempt)
            raise TransientError(code=ErrorCode.COMPUTE_FAILED) from exc
        if not is_storable(tags, computed.source_version):
            raise ComputeFailedError("The compute's tags or source version can't be stored.")
        return Computed(computed.value, computed.source_version, tags)


def _encode(value: object) -> bytes:
    try:
        return _encoder.encode(value)
    except (TypeError, ValueError, RecursionError) as exc:
        raise ComputeFailedError(f"The compute's value can't be written as JSON: {exc}.") from exc
