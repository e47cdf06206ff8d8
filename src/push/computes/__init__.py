"""Computes: named, versioned functions of params, declared by a decorator and found by module name.

    @compute(ttl=60.0)
    async def square(number: int) -> dict[str, int]:
        \"\"\"The square of a number.\"\"\"
        return {"square": number**2}

The setting COMPUTE_MODULES names the modules, or the packages of modules, that declare computes. Functions that only
check params import them too, so such a module should import nothing heavy at its top.
"""

from __future__ import annotations

from push.computes.declaring import AnyCompute, Compute, Computed, Params, Scope, Tenant, compute
from push.computes.registry import Registry, load_registry

__all__ = [
    "AnyCompute",
    "Compute",
    "Computed",
    "Params",
    "Registry",
    "Scope",
    "Tenant",
    "compute",
    "load_registry",
]
