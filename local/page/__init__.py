"""The page that the runtime serves at `/`, what only it needs of the runtime, and the page of an application."""

from __future__ import annotations

from local.page.application_page import application_routes
from local.page.assets import PageAssets
from local.page.scoring import Scoring

__all__ = ["PageAssets", "Scoring", "application_routes"]
