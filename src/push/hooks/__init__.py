"""Webhooks that other services send us."""
