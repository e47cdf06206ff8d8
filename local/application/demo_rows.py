"""Demonstration data of an application: the rows of its tables, from a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import boto3
import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from local.application.declaration import FILE, Application
from local.deploying.aws_clients import ACCESS_KEY_ID, SECRET_ACCESS_KEY
from local.embedded.aws_process import REGION
from local.errors import CannotStartError

_decoder = msgspec.json.Decoder(dict[str, list[dict[str, Any]]], float_hook=Decimal)


def store_demo_rows(application: Application, resources: Mapping[str, str], endpoint_url: str) -> None:
    """Store the rows of the application's `demo` file, if it declares one.

    The file is a JSON object with a list of rows for each table, by logical id.

    Raises:
        CannotStartError: the file is missing or invalid, or a table refuses a row.

    """
    if application.declaration.demo is None:
        return
    path = application.folder / application.declaration.demo
    try:
        rows_by_table = _decoder.decode(path.read_bytes())
    except OSError as error:
        raise CannotStartError(f"{application.folder / FILE} names {path}, which cannot be read: {error}.") from None
    except msgspec.DecodeError as error:
        raise CannotStartError(f"{path} is not a JSON object of lists of rows by table: {error}.") from None
    dynamodb = boto3.resource(
        "dynamodb",
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET_ACCESS_KEY,
    )
    for table, rows in rows_by_table.items():
        if table not in resources:
            raise CannotStartError(f"{path} has rows of {table}, which {application.template.name} does not declare.")
        try:
            with dynamodb.Table(resources[table]).batch_writer() as batch:
                for row in rows:
                    batch.put_item(Item=row)
        except (BotoCoreError, ClientError) as error:
            raise CannotStartError(f"The rows of {table} in {path} could not be stored: {error}.") from error
