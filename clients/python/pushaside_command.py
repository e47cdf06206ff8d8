"""The entry point of the command `pushaside`.

It stands outside the package `pushaside`, whose import takes long enough to be interrupted.
"""

from __future__ import annotations

import os
import signal

_INTERRUPTED = 130


def main() -> int:
    """Import the command line and run it; a Ctrl-C meanwhile ends the process at once, without a traceback."""
    # Where Ctrl-C is ignored, as by nohup, it stays so.
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:
        signal.signal(signal.SIGINT, lambda *_: os._exit(_INTERRUPTED))
    from pushaside.cli.main import main as run

    try:
        if is_default:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        return run()
    except KeyboardInterrupt:
        return _INTERRUPTED
