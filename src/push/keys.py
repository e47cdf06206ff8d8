"""Keys: the canonical identity of a result.

A key consists of the tenant (or the shared scope), the principal if the compute has the scope `principal`, the compute,
its version and the canonical params. Only requests with the same key may be answered with the same bytes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from push.computes import Scope, Tenant
from push.computes.encoding import encode_canonical
from push.errors import ErrorCode, RequestError

if TYPE_CHECKING:
    from push.computes import AnyCompute

_TENANT = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Key:
    """The identity of a result.

    `tenant` is None only for computes of the shared scope; `digest` is the hash of the canonical params in hex.
    `principal` is None except for computes of the scope `principal`; it is as `hash_principal` returns it.
    """

    tenant: Tenant | None
    compute: str
    version: int
    digest: str
    principal: str | None = None
    public: str = field(init=False, repr=False, compare=False)
    """The form that callers see, without tenant and principal, which are always the caller's own."""
    storage: str = field(init=False, repr=False, compare=False)
    """The name in a store: its owner first. Tenants hold no `~` and no `/`, so no two keys share a name."""

    def __post_init__(self) -> None:
        # Made once: keys are remembered, and every hit needs their names.
        public = f"{self.compute}@{self.version}:{self.digest}"
        owner = "*" if self.tenant is None else self.tenant
        if self.principal is not None:
            owner = f"{owner}~{self.principal}"
        object.__setattr__(self, "public", public)
        object.__setattr__(self, "storage", f"{owner}/{public}")


def make_key(tenant: Tenant, compute: AnyCompute, params: msgspec.Struct, principal: str = "") -> Key:
    """Derive the key of a compute's result from validated params; the scope decides whose key it is.

    Parsed params are canonical: defaults are filled in, fields are in declared order, and equal numbers and times have
    one form. With 128 bits of SHA-256 a collision is less likely than a memory error.

    Raises:
        RequestError: the compute has the scope `principal`, and there is none (`forbidden`).

    """
    digest = hashlib.sha256(encode_canonical(params)).hexdigest()[:32]
    owner, own = None if compute.scope is Scope.SHARED else tenant, None
    if compute.scope is Scope.PRINCIPAL:
        if not principal:
            raise RequestError(f"Results of {compute.name} belong to a principal.", code=ErrorCode.FORBIDDEN)
        own = hash_principal(principal)
    return Key(owner, compute.name, compute.version, digest, own)


@lru_cache(maxsize=1024)
def hash_principal(principal: str) -> str:
    """Return the form of a principal in names: principals may hold any printable character, names may not."""
    return hashlib.sha256(principal.encode()).hexdigest()[:32]


@lru_cache(maxsize=1024)
def parse_tenant(text: str) -> Tenant:
    """Validate a tenant's name.

    Raises:
        RequestError: it is not 1 to 64 letters, digits, `_`, `.` and `-` (`forbidden`).

    """
    if not _TENANT.fullmatch(text):
        raise RequestError(
            "The token's tenant is not 1 to 64 letters, digits, `_`, `.` and `-`.", code=ErrorCode.FORBIDDEN
        )
    return Tenant(text)


def parse_storage(name: str) -> Key:
    """Parse a key's name in a store; the name must come from `Key.storage`."""
    scope, _, public = name.partition("/")
    tenant, _, principal = scope.partition("~")
    compute, _, rest = public.partition("@")
    version, _, digest = rest.partition(":")
    return Key(None if tenant == "*" else Tenant(tenant), compute, int(version), digest, principal or None)
