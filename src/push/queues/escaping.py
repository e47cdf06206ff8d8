"""Escaping of characters that JSON permits and SQS refuses."""

from __future__ import annotations

import re

_NOT_FOR_SQS = re.compile("[\ufffe\uffff]")


def escape_for_sqs(document: str) -> str:
    r"""Escape U+FFFE and U+FFFF in JSON, which SQS refuses unescaped.

    JSON has them only within strings, where the escape `\uffff` means the same.
    Source: "Amazon SQS message quotas", Developer Guide.
    """
    return _NOT_FOR_SQS.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
