"""Changed tags as the body of `POST /changes`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import orjson

ChangeScope = Literal["tenant", "shared", "all"]
"""The results that a change reaches: of one tenant, shared ones, or those of every tenant and shared ones."""


def write_changed(tags: Iterable[str], scope: ChangeScope, tenant: str | None) -> bytes:
    """Return the body that says which tags changed.

    >>> write_changed(["rates"], "tenant", "acme")
    b'{"tags":["rates"],"scope":"tenant","tenant":"acme"}'

    Raises:
        TypeError: the tags are one string, which would be a tag for each of its characters.

    """
    if isinstance(tags, str):
        raise TypeError(f"`tags` is one string. Pass a list of tags: [{tags!r}].")
    return orjson.dumps({"tags": list(tags), "scope": scope, **({} if tenant is None else {"tenant": tenant})})
