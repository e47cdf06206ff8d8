"""Handler of `GET /results/{compute}`: results that browsers and CloudFront can cache."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from push.access.handshakes import read_header
from push.access.ports import TokenVerifier
from push.adapters.aws.emf_metrics import BufferedMetrics
from push.adapters.redis.connection import SyncRedis
from push.adapters.s3.payloads import S3Payloads
from push.adapters.wiring.offered_computes import load_offer
from push.adapters.wiring.token_access import make_verifier
from push.computes import Registry
from push.errors import PushasideError
from push.protocol.http_fields import read_wait
from push.settings import ResultsSettings, TokenSettings, read_settings
from request.asking.polled_results import PolledResults
from request.asking.result_responses import ResultRenderer
from request.http_messages import HttpResponse, identify, json_response, refuse
from request.wiring.engine import make_engine, now_ms

logger = Logger()


class ResultsParts:
    """The parts of one execution environment.

    Every part raises SettingsError at its first use if a setting is missing or wrong.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.metrics = BufferedMetrics()

    @cached_property
    def tokens(self) -> TokenVerifier | None:
        """The verifier of tokens; None where every caller is admitted."""
        settings = read_settings(TokenSettings, self._environ)
        return None if settings.auth_mode == "none" else make_verifier(settings)

    @cached_property
    def results(self) -> PolledResults:
        """The results."""
        settings = self._settings
        engine = make_engine(settings, self._registry, SyncRedis(settings), self.metrics)
        return PolledResults(engine, now_ms, time.sleep)

    @cached_property
    def renderer(self) -> ResultRenderer:
        """The renderer of responses."""
        settings = self._settings
        payloads = S3Payloads(settings.storage_bucket)
        computes = self._registry.by_name.items()
        return ResultRenderer(
            encode=self.results.engine.encode,
            link=payloads.link,
            is_open=settings.auth_mode == "none",
            guarded=frozenset(name for name, compute in computes if compute.authorize is not None),
            explains=settings.explain_results,
        )

    @cached_property
    def _registry(self) -> Registry:
        return load_offer(self._settings)

    @cached_property
    def _settings(self) -> ResultsSettings:
        return read_settings(ResultsSettings, self._environ)


@cache
def build() -> ResultsParts:
    """Make the parts, which read their settings at their first use."""
    copy_config_to_registered_loggers(logger, include={"push"})
    return ResultsParts(os.environ)


def handler(event: dict[str, Any], _context: object) -> HttpResponse:
    """Answer one HTTP request (payload format 2.0)."""
    parts = build()
    answer = handle(event, parts, now=time.time())
    parts.metrics.end_invocation()
    return answer


def handle(event: Mapping[str, Any], parts: ResultsParts, *, now: float) -> HttpResponse:
    """Answer with a result, with 202 while it is being computed, or with a problem document."""
    wait_seconds = read_wait(read_header(event, "Prefer"))
    applied = {"preference-applied": f"wait={wait_seconds}"} if wait_seconds else {}
    try:
        identity = identify(event, parts.tokens, now)
        params = (event.get("queryStringParameters") or {}).get("params") or "{}"
        result = parts.results.find(
            identity.caller, event["pathParameters"]["compute"], params.encode(errors="surrogatepass"), wait_seconds
        )
        if result is None:
            pending = msgspec.json.encode({"status": "pending"})
            return json_response(202, pending, {"retry-after": "1", **applied})
        answer = parts.renderer.render(event, result)
    except PushasideError as exc:
        return refuse(event, exc, logger)
    answer["headers"] |= applied
    return answer
