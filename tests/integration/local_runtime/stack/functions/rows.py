"""Consumes the Kinesis stream: notes the data of each batch in Redis and reports poison."""

import base64
import json
import os

import redis

notes = redis.Redis.from_url(os.environ["CACHE_URL"])


def handler(event, context):
    rows = [(each["kinesis"], base64.b64decode(each["kinesis"]["data"]).decode()) for each in event["Records"]]
    notes.rpush("rows", json.dumps([text for _, text in rows]))
    failed = [{"itemIdentifier": record["sequenceNumber"]} for record, text in rows if "poison" in text]
    return {"batchItemFailures": failed}
