"""The tags of buckets: those that a read records, and those that a change of an object raises.

Of the bucket `B`, there are

| tag | a change of an object raises it if | recorded by |
| --- | --- | --- |
| `@s3:B` | always | a list of a prefix without `/` |
| `@s3:B/<folder>/` | the object's key begins with the folder, one of its first 8 | a list of a prefix |
| `@s3:B/<key>` | it is this object | `get`, `get_json`, `get_many` |

A folder is a beginning of a key that ends in `/`.
"""

from __future__ import annotations

from itertools import accumulate

from push.sources.source_tags import SourceTag, escape, escape_name, fit
from push.tags import SOURCE_MARK

MAX_FOLDERS = 8
"""The folders of an object that have tags, from the outermost."""


def tags_of_object(bucket: str, key: str) -> list[SourceTag]:
    """Return the tags of a read of one object, by the bucket's physical name and the object's key."""
    return [SourceTag(_object(bucket, key), (*reversed(_folders(bucket, key)), _whole(bucket)))]


def tags_of_list(bucket: str, prefix: str) -> list[SourceTag]:
    """Return the tags of a read of the keys that begin with a prefix."""
    *outer, innermost = _whole(bucket), *_folders(bucket, prefix)
    return [SourceTag(innermost, tuple(reversed(outer)))]


def tags_of_changed_object(bucket: str, key: str) -> list[str]:
    """Return the tags that a change of an object raises, each once."""
    return list(dict.fromkeys((_whole(bucket), *_folders(bucket, key), _object(bucket, key))))


def _whole(bucket: str) -> str:
    return fit(f"{SOURCE_MARK}s3:{escape_name(bucket)}")


def _object(bucket: str, key: str) -> str:
    return fit(f"{SOURCE_MARK}s3:{escape_name(bucket)}/{escape(key)}")


def _folders(bucket: str, key: str) -> list[str]:
    """Return the tags of the folders in a key or prefix, from the outermost."""
    parts = key.split("/")[:-1][:MAX_FOLDERS]
    return [_object(bucket, folder) for folder in accumulate(f"{part}/" for part in parts)]
