"""Post an entry, or change one, and tell the stream as Debezium would: python post.py ACCOUNT CENTS TEXT [ID]."""

import json
import sys
from pathlib import Path
from typing import Any

import boto3
from computes.database import connect


def main(account: str, cents: str, text: str, number: str | None = None) -> None:
    """Write to the database and the stream of `pushaside local --ready-file ready.json`."""
    ready = json.loads(Path("ready.json").read_text(encoding="utf-8"))
    kinesis = boto3.client(
        "kinesis",
        endpoint_url=ready["aws_endpoint"],
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 - of the embedded AWS
    )
    post(kinesis, ready["streams"]["ledger"], account, int(cents), text, number and int(number))


def post(kinesis: Any, stream: str, account: str, cents: int, text: str, number: int | None = None) -> int:  # noqa: ANN401 - a boto3 client
    """Insert an entry, or change the entry `number`; return its number."""
    with connect() as database:
        found = database.execute("SELECT account, text, cents FROM entries WHERE id = ?", [number]).fetchone()
        written = database.execute("REPLACE INTO entries VALUES (?, ?, ?, ?)", [number, account, text, cents])
    new = {"id": number or written.lastrowid, "account": account, "text": text, "cents": cents}
    old = found and dict(zip(("account", "text", "cents"), found, strict=True)) | {"id": number}
    kinesis.put_record(
        StreamName=stream,
        PartitionKey=json.dumps({"id": new["id"]}),
        Data=json.dumps(
            {
                "op": "u" if old else "c",
                "before": old,
                "after": new,
                "source": {"connector": "postgresql", "db": "bank", "schema": "public", "table": "entries"},
            }
        ).encode(),
    )
    return new["id"]


if __name__ == "__main__":
    if len(sys.argv) not in {4, 5}:
        sys.exit(__doc__)
    main(*sys.argv[1:])
