"""The REQUEST authorizer: records the event, then decides as the query's `auth` asks."""

from __future__ import annotations

from typing import Any

from events_table import record


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Decide about a handshake: `allow` it, `deny` it, or answer in another way that the query's `auth` names."""
    query = event["queryStringParameters"]
    if "probe" in query:
        record(query["probe"], "AUTHORIZER", event)
    arn = event["methodArn"]
    match query["auth"]:
        case "allow":
            return _policy("Allow", arn)
        case "deny":
            return _policy("Deny", arn)
        case "unmatched":
            return _policy("Allow", arn.rpartition("/")[0] + "/$disconnect")
        case "wildcard":
            return _policy("Allow", arn.rpartition("/")[0] + "/*")
        case "nested":
            return _policy("Allow", arn) | {"context": {"nested": {"not": "allowed"}}}
        case "unauthorized":
            raise Exception("Unauthorized")  # the message alone is what counts
        case "malformed":
            return {"statusCode": 401}
        case _:
            raise RuntimeError("asked to throw")


def _policy(effect: str, resource: str) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {
        "principalId": "me",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"text": "plain", "number": 7, "flag": True},
    }
