"""Webhooks that arrive at `pushaside listen`: the HTTP requests, and what they contain."""
