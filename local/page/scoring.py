"""`POST /_local/demo/score`: changes a score of the demo's leaderboard by writing its row, as an application would.

Clients cannot write scores. The route writes the row only, because the demo shows what follows: the table's stream
invokes `notify`, which has the board's results recomputed and pushed.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
import orjson
from botocore.exceptions import BotoCoreError, ClientError

from local.demo import BOARD, TENANT
from local.gateway.http_connection import HttpConnection
from local.gateway.http_messages import JSON_TYPE, HttpRequest, message_response, response

PATH: Final = "/_local/demo/score"
MOST_POINTS: Final = 1_000_000


class Points(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Points to add to a member's score; negative points are subtracted."""

    member: str
    points: int

    def __post_init__(self) -> None:
        """Raise ValueError if the member or the points are out of bounds."""
        if not 1 <= len(self.member.strip()) <= 64:
            raise ValueError("`member` must have 1 to 64 characters.")
        if not 0 < abs(self.points) <= MOST_POINTS:
            raise ValueError(f"`points` must be from 1 to {MOST_POINTS:,}, or from -{MOST_POINTS:,} to -1.")


class Scoring:
    """Adds points to members of the board `demo`, and answers each request with the new score."""

    def __init__(self, dynamodb: Any, table: str) -> None:  # noqa: ANN401  # botocore makes its classes at run time
        """Write to `table` with the boto3 client `dynamodb`."""
        self._dynamodb = dynamodb
        self._table = table
        self._writing: set[asyncio.Task[None]] = set()

    def route(self, request: HttpRequest, connection: HttpConnection) -> None:
        """Write the row, then answer the request."""
        refusal = _refusal(request)
        if refusal is not None:
            connection.respond(refusal)
            return
        try:
            points = msgspec.json.decode(request.body, type=Points)
        except msgspec.DecodeError as error:
            connection.respond(message_response(400, str(error)))
            return
        task = asyncio.get_running_loop().create_task(self._write(points, connection))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        """Wait until all writes are done."""
        await asyncio.gather(*self._writing)

    async def _write(self, points: Points, connection: HttpConnection) -> None:
        member = points.member.strip()
        try:
            score = await asyncio.to_thread(self._add, member, points.points)
        except (BotoCoreError, ClientError) as error:
            connection.respond(message_response(503, f"The score could not be written to the table: {error}"))
        else:
            connection.respond(response(200, _HEADERS, orjson.dumps({"member": member, "score": score})))

    def _add(self, member: str, points: int) -> float:
        answer = self._dynamodb.update_item(
            TableName=self._table,
            Key={"board": {"S": f"{TENANT}/{BOARD}"}, "member": {"S": member}},
            UpdateExpression="ADD score :points",
            ExpressionAttributeValues={":points": {"N": str(points)}},
            ReturnValues="UPDATED_NEW",
        )
        return float(answer["Attributes"]["score"]["N"])


_HEADERS = (("Content-Type", JSON_TYPE), ("Cache-Control", "no-store"))


def _refusal(request: HttpRequest) -> bytes | None:
    """Return a refusal unless the request is a POST of JSON, which pages of other sites cannot send without asking."""
    if request.method != b"POST":
        return message_response(405, "Method Not Allowed", [("Allow", "POST")])
    if request.header(b"content-type").partition(b";")[0].strip().lower() != JSON_TYPE.encode():
        return message_response(415, f"Send {JSON_TYPE}.")
    return None
