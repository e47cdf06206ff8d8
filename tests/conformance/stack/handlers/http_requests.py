"""The HTTP API: `POST /answer` answers with what its body holds, everything else with the event."""

from __future__ import annotations

import json
from typing import Any


def handler(event: dict[str, Any], context: object) -> Any:
    """Answer a request in payload format 2.0."""
    if event["rawPath"] == "/answer":
        asked = json.loads(event["body"])
        if "throw" in asked:
            raise RuntimeError("asked to throw")
        return asked["answer"]
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}
