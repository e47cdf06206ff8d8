"""The form of names that callers select data by; safe as part of a table's or an object's key."""

from __future__ import annotations

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(pattern=r"^(?!\.{1,2}\Z)[A-Za-z0-9_.-]{1,64}\Z")]
"""A collection, document or board. It holds no `/`, so it stays within its tenant's prefix; `.` and `..` are
refused."""
