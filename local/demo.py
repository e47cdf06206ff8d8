"""The demo's data: airports by state, and a year of temperatures for each of two cities.

The data are files of the package `vega_datasets`. This module reads them without importing the package, which would
import pandas.
"""

from __future__ import annotations

import csv
import importlib.util
import itertools
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.errors import CannotStartError

TENANT = "public"
BOARD = "demo"
CITIES = {"san-francisco": ("San Francisco", "sf-temps.csv"), "seattle": ("Seattle", "seattle-temps.csv")}

_THREADS = 8
_ITEMS_PER_CALL = 25
"""DynamoDB API, BatchWriteItem."""

_MISSING = "NA"


@dataclass(frozen=True, slots=True)
class Document:
    """A document to store, with its name."""

    collection: str
    document_id: str
    content: bytes

    @property
    def object_key(self) -> str:
        """The key of the document's object in the bucket."""
        return f"documents/{TENANT}/{self.collection}/{self.document_id}.json"


@dataclass(frozen=True, slots=True)
class DemoReport:
    """The amount of loaded data, and the time that loading took."""

    documents: int
    document_bytes: int
    board_members: int
    seconds: float


def load_demo(endpoint_url: str, resources: Mapping[str, str]) -> DemoReport:
    """Store the demo's documents and leaderboard for the tenant `public`; loading twice is harmless.

    Args:
        endpoint_url: address of the AWS services.
        resources: physical names of StorageBucket, DocumentsTable and ScoresTable.

    Raises:
        CannotStartError: the data are missing, or an embedded service refused them.

    """
    started = time.perf_counter()
    airports = read_airports()
    documents = [*airport_documents(airports), *temperature_documents()]
    scores = airport_scores(airports)
    try:
        _Services(endpoint_url, resources).store(documents, scores)
    except (BotoCoreError, ClientError) as exc:
        raise CannotStartError(f"The demo's data could not be stored: {exc}") from exc
    return DemoReport(
        documents=len(documents),
        document_bytes=sum(len(document.content) for document in documents),
        board_members=len(scores),
        seconds=time.perf_counter() - started,
    )


class _Services:
    """Writes to the embedded services from several threads."""

    def __init__(self, endpoint_url: str, resources: Mapping[str, str]) -> None:
        self._resources = resources
        config = Config(
            max_pool_connections=_THREADS,
            connect_timeout=2.0,
            read_timeout=10.0,
            retries={"mode": "standard", "total_max_attempts": 3},
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
        )
        options: dict[str, Any] = {
            "endpoint_url": endpoint_url,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
            "config": config,
        }
        self._s3 = boto3.client("s3", **options)
        self._dynamodb = boto3.client("dynamodb", **options)

    def store(self, documents: Sequence[Document], scores: Mapping[str, int]) -> None:
        rows = [_score_row(member, score) for member, score in scores.items()]
        with ThreadPoolExecutor(_THREADS) as pool:
            written = pool.map(lambda batch: self._write(self._resources["ScoresTable"], batch), _batches(rows))
            index = list(pool.map(self._put, documents))
            list(written)
            list(pool.map(lambda batch: self._write(self._resources["DocumentsTable"], batch), _batches(index)))

    def _put(self, document: Document) -> dict[str, Any]:
        answer = self._s3.put_object(
            Bucket=self._resources["StorageBucket"],
            Key=document.object_key,
            Body=document.content,
            ContentType="application/json",
        )
        return _index_row(document, etag=answer["ETag"].strip('"'))

    def _write(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        pending: Mapping[str, Any] = {table: [{"PutRequest": {"Item": row}} for row in rows]}
        for _ in range(5):
            pending = self._dynamodb.batch_write_item(RequestItems=pending).get("UnprocessedItems") or {}
            if not pending:
                return
        raise CannotStartError(f"The table {table} refused some of the demo's rows; start again.")


def _batches(rows: Sequence[dict[str, Any]]) -> Iterable[Sequence[dict[str, Any]]]:
    return [rows[start : start + _ITEMS_PER_CALL] for start in range(0, len(rows), _ITEMS_PER_CALL)]


def _index_row(document: Document, etag: str) -> dict[str, Any]:
    return {
        "collection": {"S": f"{TENANT}/{document.collection}"},
        "id": {"S": document.document_id},
        "object_key": {"S": document.object_key},
        "size_bytes": {"N": str(len(document.content))},
        "etag": {"S": etag},
        "updated_at": {"S": datetime.now(UTC).isoformat(timespec="milliseconds")},
    }


def _score_row(member: str, score: int) -> dict[str, Any]:
    return {"board": {"S": f"{TENANT}/{BOARD}"}, "member": {"S": member}, "score": {"N": str(score)}}


Airport = dict[str, str | float | None]


def read_airports() -> list[Airport]:
    """Return the airports, with latitude and longitude as numbers and None where the source says `NA`."""
    return [
        {
            "iata": row["iata"],
            "name": row["name"],
            "city": _text(row["city"]),
            "state": _text(row["state"]),
            "country": row["country"],
            "latitude": float(row["latitude"]),
            "longitude": float(row["longitude"]),
        }
        for row in _read_rows("airports.csv")
    ]


def _text(field: str) -> str | None:
    return None if field == _MISSING else field


def airport_documents(airports: Iterable[Airport]) -> list[Document]:
    """Return one document for each state, an array of its airports; `NA` has the airports without a state."""
    by_state: dict[str, list[Airport]] = {}
    for airport in airports:
        by_state.setdefault(str(airport["state"] or _MISSING), []).append(airport)
    return [Document("airports", state, msgspec.json.encode(of_state)) for state, of_state in sorted(by_state.items())]


def airport_scores(airports: Iterable[Airport]) -> dict[str, int]:
    """Return the number of airports of each state: the leaderboard's members and scores."""
    scores: dict[str, int] = {}
    for airport in airports:
        if airport["state"] is not None:
            scores[str(airport["state"])] = scores.get(str(airport["state"]), 0) + 1
    return scores


def temperature_documents() -> list[Document]:
    """Return one document for each city, with the hourly temperatures of each day of 2010."""
    return [
        Document("temperatures", document_id, msgspec.json.encode(_year(city, filename)))
        for document_id, (city, filename) in CITIES.items()
    ]


def _year(city: str, filename: str) -> dict[str, object]:
    by_day = itertools.groupby(_read_rows(filename), key=lambda row: row["date"][:10])
    return {"city": city, "year": 2010, "days": [_day(date, list(rows)) for date, rows in by_day]}


def _day(date: str, rows: Sequence[Mapping[str, str]]) -> dict[str, object]:
    fahrenheit = [float(row["temp"]) for row in rows]
    return {
        "date": date.replace("/", "-"),
        "low": min(fahrenheit),
        "mean": round(fmean(fahrenheit), 1),
        "high": max(fahrenheit),
        "fahrenheit": fahrenheit,
        "celsius": [round((each - 32) / 1.8, 1) for each in fahrenheit],
    }


def _read_rows(filename: str) -> list[dict[str, str]]:
    package = importlib.util.find_spec("vega_datasets")
    if package is None or package.origin is None:
        raise CannotStartError("The demo needs the package vega_datasets; `pip install vega_datasets` installs it.")
    try:
        with (Path(package.origin).parent / "_data" / filename).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError as exc:
        raise CannotStartError(f"The demo's data cannot be read: {exc}") from exc
