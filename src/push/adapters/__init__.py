"""Implementations of the core's ports: one folder per technology, and the only code that knows boto3 or redis-py.

`wiring` builds them from a function's settings.
"""
