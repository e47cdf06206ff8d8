"""Computes: named, versioned functions of params, declared by a decorator and found by module name.

    @compute(ttl=60.0)
    async def square(number: int) -> dict[str, int]:
        \"\"\"The square of a number.\"\"\"
        return {"square": number**2}

The setting COMPUTE_MODULES names the modules, or the packages of modules, that declare computes. Functions that only
check params import them too, so such a module should import nothing heavy at its top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from push.computes.scopes import Scope, Tenant

if TYPE_CHECKING:
    from push.computes.declaring import AnyCompute, Compute, Computed, Params, compute
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

_MODULES = {
    "AnyCompute": "push.computes.declaring",
    "Compute": "push.computes.declaring",
    "Computed": "push.computes.declaring",
    "Params": "push.computes.declaring",
    "Registry": "push.computes.registry",
    "compute": "push.computes.declaring",
    "load_registry": "push.computes.registry",
}


def __getattr__(name: str) -> object:
    """Import a name at its first use: every function needs `Tenant`, and those without computes nothing else."""
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module 'push.computes' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value
