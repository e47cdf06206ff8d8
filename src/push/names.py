"""Names that callers choose data by: short, plain, and safe as a part of a table's or object's key."""

from __future__ import annotations

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(pattern=r"^(?!\.{1,2}\Z)[A-Za-z0-9_.-]{1,64}\Z")]
"""A collection, document or board. Without `/` it can't reach out of its tenant's prefix; `.` and `..` are no names."""
