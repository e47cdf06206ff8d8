"""Requests for results: `engine` finds, judges, parks and sends for all callers."""
