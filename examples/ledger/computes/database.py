"""The relational database of the ledger: here a file of SQLite, on AWS yours."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

_TABLE = "CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, account TEXT, text TEXT, cents INTEGER)"


@contextmanager
def connect() -> Iterator[sqlite3.Connection]:
    """Open the database for one transaction."""
    with closing(sqlite3.connect(os.environ["DATABASE"])) as connection, connection:
        connection.execute(_TABLE)
        yield connection
