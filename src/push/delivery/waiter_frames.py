"""Rendering of one result for many waiters, in the form that each client accepts."""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import cache

import msgspec

from push.cache.jobs import Waiter
from push.errors import CacheUnavailableError
from push.keys import Key
from push.protocol.frames import CacheState, render_result
from push.protocol.large_answers import GZIP, encode_data, is_large, render_large_result
from push.protocol.payloads import LINK_SECONDS, payload_name
from push.protocol.ports import ConnectionEncodings, Payloads
from push.results import Result


class WaiterFrames(msgspec.Struct, frozen=True, kw_only=True):
    """Renders answers for one execution environment.

    Args:
        encodings: the encodings that connections accept.
        payloads: makes links to data that exceeds a message.

    """

    encodings: ConnectionEncodings
    payloads: Payloads

    async def render(
        self, key: Key, waiters: Sequence[Waiter], result: Result, state: CacheState, now_ms: int
    ) -> list[list[str]]:
        """Return the messages for each waiter: one message, or the chunks of one."""
        if not is_large(result):
            return [[render_result(each.request_id, key, result, state, now_ms)] for each in waiters]
        accepting = await self._find_accepting(waiters)

        @cache
        def encode() -> str:
            return encode_data(result.data)

        @cache
        def link() -> str:
            return self.payloads.link(payload_name(key, result.etag), LINK_SECONDS)

        def render(waiter: Waiter) -> list[str]:
            encoded = encode() if waiter in accepting else ""
            return render_large_result(waiter.request_id, key, result, state, now_ms, encoded=encoded, link=link)

        return [render(each) for each in waiters]

    async def _find_accepting(self, waiters: Sequence[Waiter]) -> Set[Waiter]:
        """Return the waiters that accept gzip; look up all connections whose requests named no encodings at once."""
        accepting = {each for each in waiters if each.accept == GZIP}
        unsaid = [each for each in waiters if not each.accept]
        if not unsaid:
            return accepting
        try:
            said = await self.encodings.read_all([each.connection_id for each in unsaid])
        except CacheUnavailableError:
            # Plain JSON suits every client.
            return accepting
        return accepting | {each for each, accept in zip(unsaid, said, strict=True) if accept == GZIP}
