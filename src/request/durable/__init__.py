"""Durable requests: `POST /requests`, their queue, and `GET /requests/{id}`."""
