"""Tags: the names of the sources that results depend on, and the scopes that tags belong to.

The same tag in two scopes is two tags: a tenant's results depend on its own, shared results on those of the shared
scope.
"""

from __future__ import annotations

import enum
from typing import Final

from push.computes import Tenant

MAX_TAG_BYTES = 255
"""The longest tag that a stored result can have, in bytes of UTF-8."""


class AllScopes(enum.Enum):
    """The type of `ALL_SCOPES`."""

    ALL_SCOPES = "all"


ALL_SCOPES: Final = AllScopes.ALL_SCOPES
"""Every tenant's scope and the shared one, together."""

TagScope = Tenant | None | AllScopes
"""The scopes in which a tag changed: one tenant's, the shared one (None), or all."""
