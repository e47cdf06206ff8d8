"""Frames on their way to connections, and answers on their way to waiters."""
