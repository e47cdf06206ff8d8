"""Keys: the canonical identity of a result.

A key is made of the tenant (or the shared scope), the compute, its version and the canonical params. Two requests
with the same key may be answered with the same bytes; nothing else may be.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from push.computes import AnyCompute, Scope, Tenant
from push.errors import ErrorCode, RequestError

_TENANT = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Key:
    """Identity of a result.

    `tenant` is None only for computes of the shared scope; `digest` is the hash of the canonical params in hex.
    """

    tenant: Tenant | None
    compute: str
    version: int
    digest: str

    @property
    def public(self) -> str:
        """What the caller sees: everything but the tenant, which is always the caller's own."""
        return f"{self.compute}@{self.version}:{self.digest}"

    @property
    def storage(self) -> str:
        """Name in a store, with the tenant in front; tenants can't hold `/`, so no two keys share a name."""
        return f"{'*' if self.tenant is None else self.tenant}/{self.public}"


def make_key(tenant: Tenant, compute: AnyCompute, params: msgspec.Struct) -> Key:
    """Derive the key of a compute's result for checked params.

    Params are canonical once parsed: defaults filled in, fields in declared order, members of dicts sorted, numbers
    of the type that was declared. 128 bits of SHA-256 make a collision less likely than a memory error.
    """
    canonical = msgspec.json.encode(params, order="deterministic")
    digest = hashlib.sha256(canonical).hexdigest()[:32]
    scope = tenant if compute.scope is Scope.TENANT else None
    return Key(tenant=scope, compute=compute.name, version=compute.version, digest=digest)


@lru_cache(maxsize=1024)
def parse_tenant(text: str) -> Tenant:
    """Check a tenant's name.

    Raises:
        RequestError: it has other characters than letters, digits, `_`, `.` and `-`, or over 64 of them (`forbidden`).

    """
    if not _TENANT.fullmatch(text):
        raise RequestError("The token's tenant is not a usable name.", code=ErrorCode.FORBIDDEN)
    return Tenant(text)


def parse_storage(name: str) -> Key:
    """Read a key back from its name in a store; the name must be one."""
    tenant, _, public = name.partition("/")
    compute, _, rest = public.partition("@")
    version, _, digest = rest.partition(":")
    return Key(None if tenant == "*" else Tenant(tenant), compute, int(version), digest)
