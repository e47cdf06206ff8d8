"""Adapters over Secrets Manager."""
