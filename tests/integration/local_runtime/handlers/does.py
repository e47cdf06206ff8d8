"""Does what the event says; its answer tells which process did it."""

import decimal
import os
import signal
import sys
import threading
import time
from pathlib import Path

EVENTS_SEEN = 0


def handler(event, context):
    global EVENTS_SEEN
    EVENTS_SEEN += 1
    return globals()[f"do_{event.get('do', 'tell')}"](event, context)


def do_tell(event, context):
    return {
        "pid": os.getpid(),
        "events_seen": EVENTS_SEEN,
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "import_path": sys.path[0],
        "thread_is_main": threading.current_thread() is threading.main_thread(),
        "request_id": context.aws_request_id,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "memory_mb": context.memory_limit_in_mb,
        "arn": context.invoked_function_arn,
        "name": context.function_name,
        "log_stream_name": context.log_stream_name,
    }


def do_note(event, context):
    """Take some time, and leave a line that tells of it."""
    with Path(event["file"]).open("a") as notes:
        print(event["name"], os.getpid(), file=notes)
    time.sleep(event.get("seconds", 0))
    return {"name": event["name"], "pid": os.getpid()}


def do_hold(event, context):
    """Leave a line that tells of it, and go on until a file is there; `spin` never lets go of the interpreter lock."""
    do_note({"file": event["notes"], "name": "held"}, context)
    until = Path(event["until"])
    while not until.exists():
        if not event.get("spin"):
            time.sleep(0.01)


def do_spin(event, context):
    """Take some time without ever letting go of the interpreter lock by itself."""
    end = time.monotonic() + event["seconds"]
    while time.monotonic() < end:
        pass
    return {"pid": os.getpid()}


def do_raise(event, context):
    raise LookupError(event["text"])


def do_exit(event, context):
    sys.exit(event["status"])


def do_kill(event, context):
    os.kill(os.getpid(), signal.SIGKILL)


def do_print(event, context):
    print(event["text"])
    print(event["text"], file=sys.stderr)


def do_answer(event, context):
    return {
        "integer_keys": {1: "one"},
        "decimal": {"value": decimal.Decimal("1.5")},
        "big": {"value": 2**70},
        "tuple": (1, 2),
        "nothing": None,
        "object": object(),
        "lone_surrogate": "\ud800",
        "text": {"statusCode": 200, "body": 'Zürich "\n\u2028'},
        "empty_text": {"statusCode": 200, "body": ""},
        "text_with_a_lone_surrogate": {"statusCode": 200, "body": "\ud800"},
        "text_of_another_status": {"statusCode": 201, "body": "made"},
        "text_with_headers": {"statusCode": 200, "body": "plain", "headers": {"a": "b"}},
        "body_that_is_no_text": {"statusCode": 200, "body": 1},
    }[event["kind"]]
