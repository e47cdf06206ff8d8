"""Adapters that verify tokens."""
