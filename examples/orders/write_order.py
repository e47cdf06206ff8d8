"""Write an order, as the shop's own service would: python write_order.py CUSTOMER NUMBER ITEM STATUS TOTAL."""

import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import boto3


def main(customer: str, number: str, item: str, status: str, total: str) -> None:
    """Put the order into the table that `pushaside local --ready-file ready.json` runs."""
    ready = json.loads(Path("ready.json").read_text(encoding="utf-8"))
    dynamodb = boto3.resource(
        "dynamodb",
        endpoint_url=ready["aws_endpoint"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - of the embedded AWS
    )
    order = {"customer": customer, "number": int(number), "item": item, "status": status, "total": Decimal(total)}
    placed_at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    dynamodb.Table(ready["tables"]["Orders"]).put_item(Item={**order, "placed_at": placed_at})


if __name__ == "__main__":
    if len(sys.argv) != 6:
        sys.exit(__doc__)
    main(*sys.argv[1:])
