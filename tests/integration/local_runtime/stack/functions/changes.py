"""Consumes the table's stream: notes each batch in Redis and fails on poison."""

import json
import os

import redis

notes = redis.Redis.from_url(os.environ["CACHE_URL"])


def handler(event, context):
    notes.rpush("changes", json.dumps(event["Records"]))
    if any("poison" in record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]):
        raise ValueError("poison")
