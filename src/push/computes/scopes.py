"""The owners of results: tenants, and the scopes that computes declare."""

from __future__ import annotations

import enum
from typing import NewType

Tenant = NewType("Tenant", str)
"""The owner of data, from the verified token, never from a message. Letters, digits, `_`, `.`, `-`, at most 64."""


class Scope(enum.Enum):
    """The callers that share one result."""

    TENANT = "tenant"
    PRINCIPAL = "principal"
    """Each principal of a tenant has its own result."""
    SHARED = "shared"
    """Every tenant gets the same result; only for computes that read no tenant's data."""
