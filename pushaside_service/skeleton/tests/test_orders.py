"""Tests of the computes over the table Orders: in memory, without a server."""

ROWS = [
    {"customer": "ada", "placed_at": "2026-03-01T09:12:00Z", "item": "lamp", "status": "shipped"},
    {"customer": "ada", "placed_at": "2026-03-04T17:40:00Z", "item": "desk", "status": "open"},
    {"customer": "bob", "placed_at": "2026-03-02T11:05:00Z", "item": "chair", "status": "open"},
]
