"""The worker beside FastAPI, with arq's defaults."""

# What it imports is installed where it is measured only.
# mypy: disable-error-code="import-not-found"

import hashlib
import json
import os
from typing import Any

from arq.connections import RedisSettings


async def compute(context: dict[str, Any], server: str, connection: str, request_id: str, key: str) -> None:
    seed = int(key.removeprefix("synthetic:"))
    data = {"seed": seed, "text": hashlib.shake_256(str(seed).encode()).hexdigest(200)}
    await context["redis"].set(key, json.dumps(data))
    result = {"connection": connection, "id": request_id, "data": data}
    await context["redis"].publish(f"results:{server}", json.dumps(result))


class WorkerSettings:
    """The settings that `arq` starts with."""

    functions = (compute,)
    redis_settings = RedisSettings.from_dsn(os.environ["REDIS_URL"])
