"""The function behind MiniStack's own gateway."""

import json
import os
from typing import Any

import redis

client = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    if event["requestContext"]["eventType"] != "MESSAGE":
        return {"statusCode": 200}
    message = json.loads(event["body"])
    data = json.loads(str(client.get(message["key"])))
    return {"statusCode": 200, "body": json.dumps({"id": message["id"], "data": data})}
