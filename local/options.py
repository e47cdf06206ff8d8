"""The options of `pushaside local`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """Every setting of one run; times are in seconds."""

    template: Path | None = None
    """None: the application or the template in the working directory."""
    app: Path | None = None
    """The folder of an application to run."""
    host: str = "127.0.0.1"
    port: int = 8080
    """0 takes a free port."""
    demo: bool = False
    quiet: bool = False
    """Hide what functions print."""
    explain: bool = False
    """Print which results each change makes stale."""
    redis_url: str | None = None
    """A Redis or Valkey to use instead of the embedded one."""
    aws_endpoint: str | None = None
    """An AWS emulator to use instead of the embedded one."""
    workers: int = 2
    """The warm environments of each function on the request path; every other function has one.

    With 0, every environment starts at its first event.
    """
    max_environments: int = 16
    auth: str | None = None
    """None: the application's `AuthMode`, or `none`."""
    idle_timeout: float = 600.0
    max_connection: float = 7200.0
    throttle: bool = False
    """Throttle routes as the template declares."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Values of the template's parameters; they override the runtime's own."""
    ready_file: Path | None = None
