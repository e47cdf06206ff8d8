"""The errors of the one-machine runtime.

LocalRuntimeError
├── CannotStartError       the stack cannot start as requested: exit code 2
└── ServiceLostError       an embedded service that cannot be replaced ended: exit code 1
"""

from __future__ import annotations


class LocalRuntimeError(Exception):
    """The base of the runtime's errors. Its text is one sentence for the user at the terminal."""

    exit_code = 1


class CannotStartError(LocalRuntimeError):
    """The template, a handler, the port or an option is unusable."""

    exit_code = 2


class ServiceLostError(LocalRuntimeError):
    """An embedded service ended by itself, and its state is lost."""
