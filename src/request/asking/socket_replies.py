"""Replies to requests over sockets: the frame of the route response, and chunks that follow by the delivery queue."""

from __future__ import annotations

from functools import partial

import msgspec

from push.callers import Caller
from push.delivery.deliveries import KEPT_MS, Delivery
from push.delivery.ports import DeliverySender
from push.protocol.frames import render_accepted, render_result
from push.protocol.large_answers import is_large, render_large_result
from push.protocol.messages import Request
from push.protocol.payloads import LINK_SECONDS, payload_name
from push.protocol.ports import Payloads
from request.asking.client_encodings import ClientEncodings
from request.asking.client_requests import ClientRequests
from request.asking.engine import Answer, Pending


class SocketReplies(msgspec.Struct, frozen=True, kw_only=True):
    """Replies to requests for one execution environment.

    Args:
        client_requests: answers or parks them.
        client_encodings: knows which clients read gzip.
        payloads: makes links to data that fit no message.
        deliveries: the queue for chunks, because a route response is one message.

    """

    client_requests: ClientRequests
    client_encodings: ClientEncodings
    payloads: Payloads
    deliveries: DeliverySender

    def reply(self, request: Request, caller: Caller) -> str:
        """Return the frame that answers a request now: `result`, `accepted`, or a remembered failure's `error`.

        Raises:
            RequestError: the compute is unknown or the params do not fit.
            TransientError: the request is not accepted. Some chunks of an answer may have been queued; the client
                never completes them.

        """
        answer = self.client_requests.answer(request, caller)
        if isinstance(answer, Pending):
            return render_accepted(request.id)
        if not is_large(answer.result):
            return render_result(request.id, answer.key, answer.result, answer.state, answer.asked_at_ms)
        first, *others = frames = self._render(request, caller, answer)
        return self._send_later(request, caller, answer, frames) if others else first

    def _render(self, request: Request, caller: Caller, answer: Answer) -> list[str]:
        reads_gzip = self.client_encodings.reads_gzip(caller.connection_id, request.accept)
        return render_large_result(
            request.id,
            answer.key,
            answer.result,
            answer.state,
            answer.asked_at_ms,
            encoded=self.client_requests.engine.encode(answer) if reads_gzip else "",
            link=partial(self.payloads.link, payload_name(answer.key, answer.result.etag), LINK_SECONDS),
        )

    def _send_later(self, request: Request, caller: Caller, answer: Answer, frames: list[str]) -> str:
        until_ms = answer.asked_at_ms + KEPT_MS
        self.deliveries.send([Delivery(caller.connection_id, frame, until_ms) for frame in frames])
        return render_accepted(request.id)
