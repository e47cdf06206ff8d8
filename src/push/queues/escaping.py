"""Characters that JSON allows and SQS refuses."""

from __future__ import annotations

import re

_NOT_FOR_SQS = re.compile("[\ufffe\uffff]")


def escape_for_sqs(document: str) -> str:
    r"""Escape in JSON the two characters that JSON allows bare and SQS refuses, U+FFFE and U+FFFF.

    JSON holds them within strings only, where `\uffff` says the same.
    Source: "Amazon SQS message quotas", Developer Guide.
    """
    return _NOT_FOR_SQS.sub(lambda found: f"\\u{ord(found[0]):04x}", document)
