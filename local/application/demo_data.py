"""Demonstration data of an application: the rows of its tables and the objects of its buckets, from a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local.application.declaration import FILE, Application
from local.deploying.aws_clients import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from local.embedded.aws_process import REGION
from local.errors import CannotStartError

_Rows = list[dict[str, Any]]
_Objects = dict[str, Any]

_decoder = msgspec.json.Decoder(dict[str, _Rows | _Objects], float_hook=Decimal)
_PATH_STYLE = Config(s3={"addressing_style": "path"})
_encoder = msgspec.json.Encoder(decimal_format="number")


def store_demo_data(application: Application, resources: Mapping[str, str], endpoint_url: str) -> None:
    """Store the rows and objects of the application's `demo` file, if it declares one.

    The file is a JSON object by logical id: a list of rows for a table, or JSON documents by key for a bucket.

    Raises:
        CannotStartError: the file is missing or invalid, or a table or bucket refuses its data.

    """
    if application.declaration.demo is None:
        return
    path = application.folder / application.declaration.demo
    options: dict[str, Any] = {
        "endpoint_url": endpoint_url,
        "region_name": REGION,
        "aws_access_key_id": ACCESS_KEY_ID,
        "aws_secret_access_key": SECRET_ACCESS_KEY,
    }
    for source, data in _read(application, path).items():
        if source not in resources:
            raise CannotStartError(f"{path} has data of {source}, which {application.template.name} does not declare.")
        try:
            if isinstance(data, list):
                _store_rows(boto3.resource("dynamodb", **options).Table(resources[source]), data)
            else:
                _store_objects(boto3.client("s3", config=_PATH_STYLE, **options), resources[source], data)
        except (BotoCoreError, ClientError) as error:
            raise CannotStartError(f"The data of {source} in {path} could not be stored: {error}.") from error


def _read(application: Application, path: Path) -> dict[str, _Rows | _Objects]:
    try:
        return _decoder.decode(path.read_bytes())
    except OSError as error:
        raise CannotStartError(f"{application.folder / FILE} names {path}, which cannot be read: {error}.") from None
    except msgspec.DecodeError as error:
        raise CannotStartError(
            f"{path} is not a JSON object of rows by table, or documents by key by bucket: {error}."
        ) from None


def _store_rows(table: Any, rows: _Rows) -> None:  # noqa: ANN401  # a boto3 resource
    with table.batch_writer() as batch:
        for row in rows:
            batch.put_item(Item=row)


def _store_objects(s3: Any, bucket: str, objects: _Objects) -> None:  # noqa: ANN401  # a boto3 client
    for key, document in objects.items():
        s3.put_object(Bucket=bucket, Key=key, Body=_encoder.encode(document), ContentType="application/json")
