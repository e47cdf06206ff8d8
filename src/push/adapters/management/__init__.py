"""Adapters over API Gateway's `@connections`."""
