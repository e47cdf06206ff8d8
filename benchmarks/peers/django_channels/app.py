"""Django Channels with its groups over Redis, served by Daphne."""

# What it imports is installed where it is measured only.
# mypy: disable-error-code="import-not-found,import-untyped,untyped-decorator,misc"

import json
import os
from typing import Any

import django
import redis.asyncio as redis
from django.conf import settings

URL = os.environ["REDIS_URL"]
settings.configure(
    SECRET_KEY="benchmark",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={
        "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [URL]}}
    },
)
django.setup()

# Django's modules read the settings.
from channels.generic.websocket import AsyncJsonWebsocketConsumer  # noqa: E402
from channels.layers import get_channel_layer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import csrf_exempt  # noqa: E402

pool = redis.BlockingConnectionPool.from_url(URL, decode_responses=True, max_connections=20, timeout=None)
client = redis.Redis(connection_pool=pool)


class Consumer(AsyncJsonWebsocketConsumer):
    """Serves one connection."""

    async def receive_json(self, content: dict[str, Any]) -> None:
        if content["action"] == "request":
            value = await client.get(content["key"])
            await self.send_json({"id": content["id"], "data": json.loads(value or "null")})
        else:
            await self.channel_layer.group_add(_group(content["topic"]), self.channel_name)
            await self.send_json({"subscribed": content["topic"]})

    async def update(self, event: dict[str, Any]) -> None:
        await self.send(event["data"])


def _group(topic: str) -> str:
    """Return the topic as a group's name, which may hold no colon."""
    return topic.replace(":", ".")


@csrf_exempt
async def publish(request: HttpRequest, topic: str) -> JsonResponse:
    await get_channel_layer().group_send(_group(topic), {"type": "update", "data": request.body.decode()})
    return JsonResponse({"ok": True})


urlpatterns = [path("publish/<str:topic>", publish)]
application = ProtocolTypeRouter(
    {"http": get_asgi_application(), "websocket": URLRouter([path("ws", Consumer.as_asgi())])}
)
