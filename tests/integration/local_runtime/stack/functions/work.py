"""Consumes the work queue: notes each message in Redis and does what its body asks for."""

import json
import os

import redis

notes = redis.Redis.from_url(os.environ["CACHE_URL"])


def handler(event, context):
    notes.rpush("batches", json.dumps(event["Records"]))
    failures = []
    for record in event["Records"]:
        body = json.loads(record["body"])
        if body.get("do") == "raise":
            raise ValueError("the whole batch")
        if body.get("do") == "malformed":
            return {"batchItemFailures": [{"itemIdentifier": "unknown"}]}
        if body.get("do") == "fail":
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
