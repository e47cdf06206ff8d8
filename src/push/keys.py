"""Keys: the canonical identity of a result.

A key consists of the tenant (or the shared scope), the compute, its version and the canonical params. Only requests
with the same key may be answered with the same bytes.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import lru_cache

import msgspec

from push.computes import AnyCompute, Scope, Tenant
from push.computes.canonical import encode_canonical
from push.errors import ErrorCode, RequestError

_TENANT = re.compile(r"[A-Za-z0-9_.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Key:
    """The identity of a result.

    `tenant` is None only for computes of the shared scope; `digest` is the hash of the canonical params in hex.
    """

    tenant: Tenant | None
    compute: str
    version: int
    digest: str

    @property
    def public(self) -> str:
        """Return the form that callers see: everything but the tenant, which is always the caller's own."""
        return f"{self.compute}@{self.version}:{self.digest}"

    @property
    def storage(self) -> str:
        """Return the name in a store: the tenant first. Tenants hold no `/`, so no two keys share a name."""
        return f"{'*' if self.tenant is None else self.tenant}/{self.public}"


def make_key(tenant: Tenant, compute: AnyCompute, params: msgspec.Struct) -> Key:
    """Derive the key of a compute's result from validated params.

    Parsed params are canonical: defaults are filled in, fields are in declared order, and equal numbers and times have
    one form. With 128 bits of SHA-256 a collision is less likely than a memory error.
    """
    digest = hashlib.sha256(encode_canonical(params)).hexdigest()[:32]
    scope = tenant if compute.scope is Scope.TENANT else None
    return Key(tenant=scope, compute=compute.name, version=compute.version, digest=digest)


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
    tenant, _, public = name.partition("/")
    compute, _, rest = public.partition("@")
    version, _, digest = rest.partition(":")
    return Key(None if tenant == "*" else Tenant(tenant), compute, int(version), digest)
