"""Stored results: when they are fresh, who computes them, and the first tier in memory."""
