"""The core that every Lambda function shares, and what authors of computes import.

    from push import Context, compute

Each folder is one subject: its rules are pure, and its `ports.py` names what it needs from outside. `adapters`
implements those ports, one folder per technology. Start with `computes` and `keys`, then `cache` for a request's way to
its result and `topics` for subscriptions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from push.callers import Caller
    from push.changes.declaring import changes_of
    from push.changes.records import ChangedTag, ChangeRecord
    from push.computes import Computed, compute
    from push.errors import ComputeFailedError, ErrorCode, SourceThrottledError, TransientError
    from push.sources.blocking import BlockingContext
    from push.sources.contexts import Context

__all__ = [
    "BlockingContext",
    "Caller",
    "ChangeRecord",
    "ChangedTag",
    "ComputeFailedError",
    "Computed",
    "Context",
    "ErrorCode",
    "SourceThrottledError",
    "TransientError",
    "changes_of",
    "compute",
]

_MODULES = {
    "BlockingContext": "push.sources.blocking",
    "Caller": "push.callers",
    "ChangeRecord": "push.changes.records",
    "ChangedTag": "push.changes.records",
    "ComputeFailedError": "push.errors",
    "Computed": "push.computes",
    "Context": "push.sources.contexts",
    "ErrorCode": "push.errors",
    "SourceThrottledError": "push.errors",
    "TransientError": "push.errors",
    "changes_of": "push.changes.declaring",
    "compute": "push.computes",
}


def __getattr__(name: str) -> object:
    """Import a name at its first use: every function imports this package, and most need few of its modules."""
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module 'push' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), name)
    return value
