"""The setting SOURCES: the tables and buckets of an application, by logical name.

{"tables": {"Orders": {"name": "shop-Orders-1AB"}}, "buckets": {"Files": {"name": "shop-files"}}}
"""

from __future__ import annotations

import msgspec

from push.errors import SettingsError


class DeclaredSource(msgspec.Struct, frozen=True):
    """One table or bucket; `name` is its physical name."""

    name: str


class DeclaredSources(msgspec.Struct, frozen=True):
    """The tables and buckets by logical name. Other kinds of sources are not read by computes."""

    tables: dict[str, DeclaredSource] = {}
    buckets: dict[str, DeclaredSource] = {}


def parse_sources(text: str) -> DeclaredSources:
    """Parse the setting; empty text declares nothing.

    Raises:
        SettingsError: it is not JSON of this form.

    """
    try:
        return msgspec.json.decode(text or "{}", type=DeclaredSources)
    except msgspec.DecodeError as exc:
        raise SettingsError(f'SOURCES is not JSON like {{"tables": {{"Orders": {{"name": "..."}}}}}}: {exc}.') from exc
