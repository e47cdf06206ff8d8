"""The worker of the compute function, put together over its ports."""

from __future__ import annotations

from collections.abc import Callable

from compute.computing import Computing
from compute.filling import Filler
from compute.key_work import KeyWorker
from compute.late_tags import LateTags
from compute.lease_keeping import LeaseKeeper
from compute.subscriber_updates import SubscriberUpdates
from push.cache.ports import JobSender, Leases, TagIndex
from push.delivery.waiter_answers import WaiterAnswers
from push.metrics import Counter
from push.topics.ports import LinkMarks, LiveLinks


def make_worker(
    *,
    computing: Computing,
    leases: Leases,
    tags: TagIndex,
    answers: WaiterAnswers,
    updates: SubscriberUpdates,
    links: LiveLinks,
    marks: LinkMarks,
    jobs: JobSender,
    counter: Counter,
    now_ms: Callable[[], int],
) -> KeyWorker:
    """Make a worker and the parts between it and its ports."""
    keeper = LeaseKeeper(computing=computing, leases=leases, answers=answers, counter=counter, now_ms=now_ms)
    filler = Filler(computing=computing, keeper=keeper, leases=leases, tags=tags, counter=counter, now_ms=now_ms)
    return KeyWorker(
        computing=computing,
        filler=filler,
        leases=leases,
        answers=answers,
        updates=updates,
        late_tags=LateTags(computing=computing, leases=leases, links=links, marks=marks, now_ms=now_ms),
        jobs=jobs,
        counter=counter,
        now_ms=now_ms,
    )
