"""A service that keeps topics, for any number of connections: a script for `ScriptedServer`."""

from __future__ import annotations

from dataclasses import dataclass, field

from websockets.exceptions import ConnectionClosed

from tests.integration.client.scripted_server import Peer

LIVE_TOPIC = "leaderboard@1:ab12"


@dataclass
class Topics:
    """Histories by topic, and who is subscribed; `answer` is the script."""

    epoch: str = "e1"
    window: int = 1000
    reconnect_after_seconds: float | None = None
    histories: dict[str, list[object]] = field(default_factory=dict)
    subscribers: dict[str, list[Peer]] = field(default_factory=dict)
    published: set[str] = field(default_factory=set)
    asked: list[dict] = field(default_factory=list)
    subscribed_beside: list[int] = field(default_factory=list)
    """For each subscription, how many others there were of its topic when it was made."""

    async def answer(self, peer: Peer) -> None:
        if self.reconnect_after_seconds is not None:
            hello = await peer.hello
            await peer.say(type="welcome", id=hello["id"], reconnect_after_seconds=self.reconnect_after_seconds)
        while (message := await peer.messages.get()) is not None:
            try:
                await self.take(peer, message)
            except ConnectionClosed:
                break
        for peers in self.subscribers.values():
            peers[:] = [each for each in peers if each is not peer]

    async def publish(self, topic: str, data: object) -> str:
        history = self.histories.setdefault(topic, [])
        history.append(data)
        for peer in list(self.subscribers.get(topic, [])):
            await self._push(peer, topic, len(history))
        return f"{self.epoch}:{len(history)}"

    async def take(self, peer: Peer, message: dict) -> None:
        self.asked.append(message)
        match message["action"]:
            case "ping":
                await peer.say(type="pong")
            case "publish":
                await self._publish(peer, message)
            case "unsubscribe":
                self.subscribers[message["topic"]].remove(peer)
                await peer.say(type="unsubscribed", id=message["id"], topic=message["topic"])
            case "subscribe" if message.get("topic") == "secret:all":
                await peer.error(message, "forbidden")
            case "subscribe":
                await self._subscribe(peer, message)

    async def _publish(self, peer: Peer, message: dict) -> None:
        topic = message["topic"]
        if message["message_id"] not in self.published:
            self.published.add(message["message_id"])
            await self.publish(topic, message["data"])
        position = f"{self.epoch}:{len(self.histories[topic])}"
        await peer.say(type="published", id=message["id"], topic=topic, position=position)

    async def _subscribe(self, peer: Peer, message: dict) -> None:
        topic = message.get("topic", LIVE_TOPIC)
        subscribers = self.subscribers.setdefault(topic, [])
        self.subscribed_beside.append(len(subscribers))
        subscribers.append(peer)
        history = self.histories.setdefault(topic, [])
        head = len(history)
        answer = {"type": "subscribed", "id": message["id"], "topic": topic, "position": f"{self.epoch}:{head}"}
        if "compute" in message:
            value = {"data": history[-1], "etag": f"etag{head}"} if history else {}
            await peer.say(**answer, recovered=True, **value)
            return
        if "since" not in message:
            await peer.say(**answer, recovered=True)
            return
        epoch, _, offset = message["since"].partition(":")
        if epoch != self.epoch or int(offset) < head - self.window:
            await peer.say(**answer, recovered=False, data=history[-1] if history else None)
            return
        await peer.say(**{**answer, "position": message["since"]}, recovered=True)
        for each in range(int(offset) + 1, head + 1):
            await self._push(peer, topic, each)

    async def _push(self, peer: Peer, topic: str, offset: int) -> None:
        fields = {"type": "update", "topic": topic, "position": f"{self.epoch}:{offset}"}
        etag = {"etag": f"etag{offset}"} if topic == LIVE_TOPIC else {}
        try:
            await peer.say(**fields, **etag, data=self.histories[topic][offset - 1])
        except ConnectionClosed:
            return
