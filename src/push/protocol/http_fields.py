"""HTTP header fields of requests for results: encodings, entity tags, waiting and freshness."""

from __future__ import annotations

import re
from collections.abc import Iterator

from push.results import Result

MAX_WAIT_SECONDS = 25
"""API Gateway times out after 30 s ("HTTP API quotas", Developer Guide)."""

_ENTITY_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_GZIP_SUFFIX = "-gzip"


def entity_tag(etag: str, *, is_gzip: bool) -> str:
    """Return the entity tag of a representation: each coding has its own (RFC 9110, 8.8.3)."""
    return f'"{etag}{_GZIP_SUFFIX if is_gzip else ""}"'


def find_match(if_none_match: str, etag: str) -> str | None:
    """Return the first entity tag of `If-None-Match` that matches a result; `*` if any would match; None if none does.

    Tags are compared weakly (RFC 9110, 13.1.2). The tag of either coding matches, because a client with one of them has
    the result. A 304 repeats the tag, so that a cache can tell which stored response it validates (RFC 9111, 4.3.4).
    """
    if if_none_match.strip() == "*":
        return "*"
    known = (etag, etag + _GZIP_SUFFIX)
    return next((found[0] for found in _ENTITY_TAG.finditer(if_none_match) if found[1] in known), None)


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether `Accept-Encoding` permits gzip (RFC 9110, 12.5.3)."""
    weights = dict(_weighted(accept_encoding))
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _weighted(field: str) -> Iterator[tuple[str, float]]:
    for element in field.split(","):
        coding, _, parameter = element.partition(";")
        name, _, value = parameter.partition("=")
        try:
            weight = float(value) if name.strip().lower() == "q" else 1.0
        except ValueError:
            weight = 0.0
        yield coding.strip().lower(), weight


def read_wait(prefer: str) -> int:
    """Return the seconds of `Prefer: wait=n` (RFC 7240, 4.3), at most `MAX_WAIT_SECONDS`; 0 if absent or invalid."""
    for preference in prefer.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        seconds = value.strip().strip('"')
        if name.strip().lower() == "wait":
            is_number = seconds.isascii() and seconds.isdecimal() and len(seconds) < 10
            return min(int(seconds), MAX_WAIT_SECONDS) if is_number else 0
    return 0


def freshness_fields(result: Result, now_ms: int, *, is_public: bool) -> dict[str, str]:
    """Return `Cache-Control` and `Age`, with which a cache keeps a result as long as this service does.

    `max-age` and `Age` both count from when the result was computed (RFC 9111, 4.2). An invalidated result has a
    `max-age` of 0. A cache may serve a stale result while it revalidates, or instead of an error, for as long as this
    service would (RFC 5861).
    """
    fresh_until_ms = result.computed_at_ms if result.is_invalidated else result.fresh_until_ms
    fresh_seconds = max(0, fresh_until_ms - result.computed_at_ms) // 1000
    stale_seconds = max(0, (result.stale_until_ms - result.computed_at_ms) // 1000 - fresh_seconds)
    directives = ["public" if is_public else "private", f"max-age={fresh_seconds}"]
    if stale_seconds > 0:
        directives += [f"stale-while-revalidate={stale_seconds}", f"stale-if-error={stale_seconds}"]
    age_seconds = max(0, -(-(now_ms - result.computed_at_ms) // 1000))
    return {"cache-control": ", ".join(directives), "age": str(age_seconds)}
