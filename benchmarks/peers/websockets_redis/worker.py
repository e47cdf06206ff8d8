"""A worker made by hand: takes one job after another from a list in Redis."""

import hashlib
import json
import os
from typing import Any, cast

import redis.asyncio as redis
import uvloop


async def main() -> None:
    client: Any = redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    while True:
        job = await client.brpop(["jobs"], timeout=3)
        if job is None:
            continue
        server, connection, request_id, key = cast(list[str], json.loads(job[1]))
        seed = int(key.removeprefix("synthetic:"))
        data = {"seed": seed, "text": hashlib.shake_256(str(seed).encode()).hexdigest(200)}
        await client.set(key, json.dumps(data))
        result = {"connection": connection, "id": request_id, "data": data}
        await client.publish(f"results:{server}", json.dumps(result))


uvloop.run(main())
