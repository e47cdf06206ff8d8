"""Tags: the names of the sources that results depend on, and the scopes that tags belong to.

The same tag in two scopes is two tags: a tenant's results depend on its own, shared results on those of the shared
scope. Tags of tables and buckets (`push.sources.table_tags`, `push.sources.bucket_tags`) begin with `SOURCE_MARK` and
belong to the shared scope alone: rows and objects have no tenant, so one change concerns the results of all.
"""

from __future__ import annotations

import enum
from typing import Final

from push.computes import Tenant

MAX_TAG_BYTES = 255
"""The longest tag that a stored result can have, in bytes of UTF-8."""

SOURCE_MARK = "@"
"""The first character of the tags that Pushaside makes of reads and writes. Tags of authors never begin with it."""


class AllScopes(enum.Enum):
    """The type of `ALL_SCOPES`."""

    ALL_SCOPES = "all"


ALL_SCOPES: Final = AllScopes.ALL_SCOPES
"""Every tenant's scope and the shared one, together."""

TagScope = Tenant | None | AllScopes
"""The scopes in which a tag changed: one tenant's, the shared one (None), or all."""


def scope_of(tag: str, tenant: Tenant | None) -> Tenant | None:
    """Return the scope of a tag of a result: that of the result's key, or the shared one for a tag of a source.

    Args:
        tag: the tag.
        tenant: the tenant of the result's key; None if the key is shared.

    """
    return None if tag.startswith(SOURCE_MARK) else tenant


def say_reserved(tag: str) -> str:
    """Return the sentence that refuses an author's tag because it begins with `SOURCE_MARK`."""
    return f"The tag {tag!r} begins with `{SOURCE_MARK}`, as only Pushaside's own do. Give it another beginning."
