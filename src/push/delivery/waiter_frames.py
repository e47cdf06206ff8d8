"""What those who wait on a key are sent: one result for many, each in the form that its client reads."""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import cache

from push.cache.jobs import Waiter
from push.errors import CacheUnavailableError
from push.keys import Key
from push.protocol.frames import CacheState, render_result
from push.protocol.large_answers import GZIP, encode_data, is_large, render_large_result
from push.protocol.payloads import LINK_SECONDS, payload_name
from push.protocol.ports import ConnectionEncodings, Payloads
from push.results import Result


class WaiterFrames:
    """Writes answers for one execution environment.

    Args:
        encodings: what connections said that they read.
        payloads: makes the links to what fits no message.

    """

    def __init__(self, *, encodings: ConnectionEncodings, payloads: Payloads) -> None:
        self._encodings = encodings
        self._payloads = payloads

    async def render(
        self, key: Key, waiters: Sequence[Waiter], result: Result, state: CacheState, now_ms: int
    ) -> list[list[str]]:
        """Return the frames for each waiter: one message, or the chunks of one."""
        if not is_large(result):
            return [[render_result(each.request_id, key, result, state, now_ms)] for each in waiters]
        accepting = await self._find_accepting(waiters)

        @cache
        def encode() -> str:
            return encode_data(result.data)

        @cache
        def link() -> str:
            return self._payloads.link(payload_name(key, result.etag), LINK_SECONDS)

        def render(waiter: Waiter) -> list[str]:
            encoded = encode() if waiter in accepting else ""
            return render_large_result(waiter.request_id, key, result, state, now_ms, encoded=encoded, link=link)

        return [render(each) for each in waiters]

    async def _find_accepting(self, waiters: Sequence[Waiter]) -> Set[Waiter]:
        """Return who reads gzip: what requests did not say themselves is looked up, for all of them at once."""
        accepting = {each for each in waiters if each.accept == GZIP}
        unsaid = [each for each in waiters if not each.accept]
        if not unsaid:
            return accepting
        try:
            said = await self._encodings.read_all([each.connection_id for each in unsaid])
        except CacheUnavailableError:
            # What everybody reads is right for them, too.
            return accepting
        return accepting | {each for each, accept in zip(unsaid, said, strict=True) if accept == GZIP}
