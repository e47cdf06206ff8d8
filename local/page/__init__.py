"""The page that the runtime serves at `/`, and what only it needs of the runtime."""

from __future__ import annotations

from local.page.assets import PageAssets
from local.page.scoring import Scoring

__all__ = ["PageAssets", "Scoring"]
