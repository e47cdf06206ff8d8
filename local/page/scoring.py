"""`POST /_local/demo/score`: changes a score of the demo's leaderboard as an application would, by writing its row.

No client can write scores, and none should: what follows the write is the point of it. The table's stream tells
`notify`, which has the board's results computed anew and pushed. The row is all that is touched here.
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
    """Points to be given to a member; taken, if they are negative."""

    member: str
    points: int

    def __post_init__(self) -> None:
        """Refuse what no row can have, as ValueError."""
        if not 1 <= len(self.member.strip()) <= 64:
            raise ValueError("A member has 1 to 64 characters.")
        if not 0 < abs(self.points) <= MOST_POINTS:
            raise ValueError(f"Points are 1 to {MOST_POINTS:,}, or as many less.")


class Scoring:
    """Adds points to members of the board `demo`, and answers each request with the member's new score."""

    def __init__(self, dynamodb: Any, table: str) -> None:  # noqa: ANN401  # botocore makes its classes at run time
        """Write to `table` by the boto3 client `dynamodb`."""
        self._dynamodb = dynamodb
        self._table = table
        self._writing: set[asyncio.Task[None]] = set()

    def route(self, request: HttpRequest, connection: HttpConnection) -> None:
        """Answer a request, once the row is written."""
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
        """Wait for what is being written."""
        await asyncio.gather(*self._writing)

    async def _write(self, points: Points, connection: HttpConnection) -> None:
        member = points.member.strip()
        try:
            score = await asyncio.to_thread(self._add, member, points.points)
        except (BotoCoreError, ClientError) as error:
            connection.respond(message_response(503, f"The score could not be written: {error}"))
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
    """Return the answer to what is no score from this page: other sites' pages may send anything but JSON unasked."""
    if request.method != b"POST":
        return message_response(405, "Method Not Allowed", [("Allow", "POST")])
    if request.header(b"content-type").partition(b";")[0].strip().lower() != JSON_TYPE.encode():
        return message_response(415, f"Send {JSON_TYPE}.")
    return None
