"""What the runtime can be told on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Options:
    """Every setting of one run; times are in seconds."""

    template: Path = Path("template.yaml")
    host: str = "127.0.0.1"
    port: int = 8080
    """0 takes a free one."""
    demo: bool = False
    quiet: bool = False
    """Functions' own output is not shown."""
    redis_url: str | None = None
    """A Redis or Valkey to use instead of the embedded one."""
    aws_endpoint: str | None = None
    """An AWS emulator to use instead of the embedded one."""
    workers: int = 2
    """Warm environments of each function that clients wait for; the others have one."""
    max_environments: int = 16
    auth: str = "none"
    idle_timeout: float = 600.0
    max_connection: float = 7200.0
    throttle: bool = False
    """Routes take no more than their throttling in the template allows."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """Values of the template's parameters; they come before those that the runtime offers."""
    ready_file: Path | None = None
