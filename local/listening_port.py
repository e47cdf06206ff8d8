"""The port that the runtime listens on, reserved before any part starts."""

from __future__ import annotations

import errno
import socket

from local.errors import CannotStartError


def reserve_port(host: str, port: int) -> tuple[int, socket.socket | None]:
    """Return the port to use; raise CannotStartError if it is taken. Call this before any part starts.

    A free port that the system chose stays bound, because another process could get it before the gateway listens.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family)
    except OSError as error:
        raise CannotStartError(describe_port_error(host, port, error)) from error
    free: int = listener.getsockname()[1]
    if port:
        listener.close()
        return free, None
    return free, listener


def describe_port_error(host: str, port: int, error: OSError) -> str:
    """Return the sentence for a port that cannot be listened on."""
    reason = "is in use" if error.errno == errno.EADDRINUSE else f"is not available: {error.strerror or error}"
    return f"Port {port} of {host} {reason}; choose another with --port (0 takes a free one)."
