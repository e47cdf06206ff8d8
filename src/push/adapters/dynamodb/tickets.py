"""Tickets in DynamoDB. A conditional delete spends a ticket, so only one of two concurrent uses succeeds."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from push.access.tickets import TICKET_SECONDS, hash_ticket
from push.access.tokens import Identity
from push.adapters.dynamodb.errors import is_condition_failure, translate
from push.callers import JsonClaims, serialize_claims
from push.computes import Tenant


class DynamoDbTickets:
    """`push.access.ports.Tickets` on DynamoDB."""

    def __init__(self, client: Any, table: str) -> None:  # noqa: ANN401 - boto3 makes its clients at run time
        self._client = client
        self._table = table

    def issue(self, ticket: str, identity: Identity, now: float) -> None:
        """See `Tickets.issue`."""
        item = {
            "ticket": {"S": hash_ticket(ticket)},
            "tenant": {"S": identity.tenant},
            "principal": {"S": identity.principal},
            "claims": {"S": serialize_claims(identity.claims)},
            "expires_at": {"N": str(int(now) + TICKET_SECONDS)},
        }
        try:
            self._client.put_item(TableName=self._table, Item=item)
        except (BotoCoreError, ClientError) as exc:
            raise translate(exc, "issue a ticket") from exc

    def spend(self, ticket: str, now: float) -> Identity | None:
        """See `Tickets.spend`."""
        try:
            answer = self._client.delete_item(
                TableName=self._table,
                Key={"ticket": {"S": hash_ticket(ticket)}},
                # TTL may delete an expired row days late, so check the expiry too.
                ConditionExpression="expires_at > :now",
                ExpressionAttributeValues={":now": {"N": str(int(now))}},
                ReturnValues="ALL_OLD",
            )
        except (BotoCoreError, ClientError) as exc:
            if is_condition_failure(exc):
                return None
            raise translate(exc, "spend a ticket") from exc
        row = answer["Attributes"]
        # A ticket of an earlier version has no claims.
        claims = JsonClaims(row["claims"]["S"] if "claims" in row else "")
        return Identity(tenant=Tenant(row["tenant"]["S"]), principal=row["principal"]["S"], claims=claims)
