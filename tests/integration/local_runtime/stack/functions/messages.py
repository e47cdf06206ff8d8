"""Answers WebSocket messages by doing what they ask for."""

import json
import os
import sys
import time
from pathlib import Path

EVENTS_SEEN = 0


def handler(event, context):
    global EVENTS_SEEN
    EVENTS_SEEN += 1
    if event["requestContext"]["eventType"] != "MESSAGE":
        return {"statusCode": 200}
    message = json.loads(event["body"])
    action = {"sleep": sleep, "spin": spin, "fail": fail, "exit": leave, "kill": kill, "tell": tell}
    answer = action.get(message.get("do"), tell)(message, context)
    return answer if message.get("raw") else {"statusCode": 200, "body": json.dumps(answer)}


def sleep(message, context):
    time.sleep(message["seconds"])
    return {"slept": message["seconds"], "pid": os.getpid()}


def spin(message, context):
    end = time.monotonic() + message["seconds"]
    while time.monotonic() < end:
        pass
    return {"spun": message["seconds"], "pid": os.getpid()}


def fail(message, context):
    raise LookupError(message["text"])


def leave(message, context):
    sys.exit(message["status"])


def kill(message, context):
    os.kill(os.getpid(), message["signal"])


def tell(message, context):
    return {
        "echo": message,
        "pid": os.getpid(),
        "events_seen": EVENTS_SEEN,
        "environment": dict(os.environ),
        "import_paths": sys.path,
        "folder": str(Path.cwd()),
        "request_id": context.aws_request_id,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "memory_mb": context.memory_limit_in_mb,
        "arn": context.invoked_function_arn,
    }
