"""Computes over sales."""
