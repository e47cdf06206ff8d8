"""The topic namespaces: those of the setting TOPICS, or those in `topics.json` at the root of the artifact."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from push.errors import SettingsError
from push.topics.namespaces import Namespaces, parse_namespaces

_ARTIFACT = Path(__file__).parents[3]
"""The folder of `push` where it is part of the artifact. On one machine it may be installed elsewhere."""


@cache
def shipped_namespaces(topics: str = "") -> Namespaces:
    """Parse `topics`, or read the file if it is empty; once per execution environment.

    Raises:
        SettingsError: the file is absent, or the namespaces are invalid.

    """
    if topics:
        return parse_namespaces(topics.encode())
    try:
        document = Path(os.environ.get("LAMBDA_TASK_ROOT", _ARTIFACT), "topics.json").read_bytes()
    except OSError as exc:
        raise SettingsError(f"topics.json can't be read: {exc.strerror}.") from exc
    return parse_namespaces(document)
