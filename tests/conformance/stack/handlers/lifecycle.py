"""`$connect` and `$disconnect`: records the event, then answers as the query's `connect` asks."""

from __future__ import annotations

from typing import Any

from events_table import record


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Answer a CONNECT or DISCONNECT event.

    `connect` is a status, `throw`, or `post` (write to the connection that is being opened, and record what came of
    it). `subprotocol` is the one to select.
    """
    query = event.get("queryStringParameters") or {}
    request = event["requestContext"]
    subject = query.get("probe", request["connectionId"])
    record(subject, request["eventType"], event)
    asked = query.get("connect", "200")
    if asked == "throw":
        raise RuntimeError("asked to throw")
    if asked == "post":
        record(subject, "POST", _post_to(request["connectionId"]))
    answer: dict[str, Any] = {"statusCode": int(asked) if asked.isdigit() else 200}
    if "subprotocol" in query:
        answer["headers"] = {"Sec-WebSocket-Protocol": query["subprotocol"]}
    return answer


def _post_to(connection_id: str) -> int:
    """Return the status that `@connections` answers; the endpoint comes from botocore's own variable."""
    import boto3
    from botocore.exceptions import ClientError

    try:
        answer = boto3.client("apigatewaymanagementapi").post_to_connection(ConnectionId=connection_id, Data=b"early")
    except ClientError as error:
        answer = error.response
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])
