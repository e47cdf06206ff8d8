"""The command line: `pushaside COMMAND`."""

from pushaside.cli.main import main

__all__ = ["main"]
