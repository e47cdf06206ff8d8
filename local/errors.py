"""What can go wrong in the one-machine runtime.

LocalRuntimeError
├── CannotStartError       what was asked for cannot be started: exit code 2
└── ServiceLostError       an embedded service that cannot be replaced has ended: exit code 1
"""

from __future__ import annotations


class LocalRuntimeError(Exception):
    """Base of the runtime's errors; its text is one sentence for the person at the terminal."""

    exit_code = 1


class CannotStartError(LocalRuntimeError):
    """The template, a handler, the port or an option is not usable as it stands."""

    exit_code = 2


class ServiceLostError(LocalRuntimeError):
    """An embedded service ended on its own, and what it held is gone with it."""
