"""The tables and buckets that computes read, made at their first use."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache

from push.adapters.aws.clients import make_client
from push.adapters.dynamodb.tables import DynamoDbTable
from push.sources.contexts import unknown_source
from push.sources.declared import DeclaredSources
from push.sources.ports import BucketReader, TableReader
from push.sources.table_tags import TrackedTable

_THREADS = 32
"""The number of reads that one execution environment makes at once, over all computes."""


class ApplicationSources:
    """`push.sources.ports.Sources` on AWS, for one execution environment."""

    def __init__(self, declared: DeclaredSources) -> None:
        self._declared = declared
        self._tables: dict[str, TableReader] = {}
        self._buckets: dict[str, BucketReader] = {}

    def table(self, name: str) -> TableReader:
        """See `Sources.table`."""
        if name not in self._tables:
            self._tables[name] = DynamoDbTable(
                client=make_client("dynamodb", connections=_THREADS),
                name=name,
                table=self.tracked_table(name).name,
                executor=_threads(),
            )
        return self._tables[name]

    def bucket(self, name: str) -> BucketReader:
        """See `Sources.bucket`."""
        if name not in self._buckets:
            bucket = self.bucket_name(name)
            # Imported on demand: few applications read buckets.
            from push.adapters.s3.buckets import S3Bucket

            self._buckets[name] = S3Bucket(
                client=make_client("s3", connections=_THREADS), name=name, bucket=bucket, executor=_threads()
            )
        return self._buckets[name]

    def tracked_table(self, name: str) -> TrackedTable:
        """See `Sources.tracked_table`."""
        declared = self._declared.tables.get(name)
        if declared is None:
            raise unknown_source("table", name, list(self._declared.tables))
        return declared.tracked

    def bucket_name(self, name: str) -> str:
        """See `Sources.bucket_name`."""
        declared = self._declared.buckets.get(name)
        if declared is None:
            raise unknown_source("bucket", name, list(self._declared.buckets))
        return declared.name


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="sources")
