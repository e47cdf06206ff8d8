"""How a client's request is answered: the frame of its route response, and what follows by the delivery queue."""

from __future__ import annotations

from functools import partial

from push.callers import Caller
from push.delivery.deliveries import KEPT_MS, Delivery
from push.delivery.ports import DeliverySender
from push.protocol.frames import render_accepted, render_result
from push.protocol.large_answers import is_large, render_large_result
from push.protocol.messages import Request
from push.protocol.payloads import LINK_SECONDS, payload_name
from push.protocol.ports import Payloads
from request.asking.accepting import Accepting
from request.asking.answering import Accepted, Answer, Answerer


class Replier:
    """Answers requests for one execution environment.

    Args:
        answerer: finds the answers.
        accepting: knows in which forms clients read them.
        payloads: makes the links to those that fit no message.
        deliveries: the queue through which chunks go: a route response is one message.

    """

    def __init__(
        self, *, answerer: Answerer, accepting: Accepting, payloads: Payloads, deliveries: DeliverySender
    ) -> None:
        self._answerer = answerer
        self._accepting = accepting
        self._payloads = payloads
        self._deliveries = deliveries

    def reply(self, request: Request, caller: Caller) -> str:
        """Return the frame that answers a request now: `result`, `accepted`, or a remembered failure's `error`.

        Raises:
            RequestError: the compute is unknown or the params do not fit.
            TransientError: the request could not be accepted; nothing of it is left behind but chunks, maybe, of an
                answer that will not be complete.

        """
        answer = self._answerer.answer(request, caller)
        if isinstance(answer, Accepted):
            return render_accepted(request.id)
        if not is_large(answer.result):
            return render_result(request.id, answer.key, answer.result, answer.state, answer.asked_at_ms)
        first, *others = frames = self._render(request, caller, answer)
        return self._send_later(request, caller, answer, frames) if others else first

    def _render(self, request: Request, caller: Caller, answer: Answer) -> list[str]:
        reads_gzip = self._accepting.reads_gzip(caller.connection_id, request.accept)
        return render_large_result(
            request.id,
            answer.key,
            answer.result,
            answer.state,
            answer.asked_at_ms,
            encoded=self._answerer.encode(answer) if reads_gzip else "",
            link=partial(self._payloads.link, payload_name(answer.key, answer.result.etag), LINK_SECONDS),
        )

    def _send_later(self, request: Request, caller: Caller, answer: Answer, frames: list[str]) -> str:
        until_ms = answer.asked_at_ms + KEPT_MS
        self._deliveries.send([Delivery(caller.connection_id, frame, until_ms) for frame in frames])
        return render_accepted(request.id)
