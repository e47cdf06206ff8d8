"""Every client message and the HTTP API: validate, answer from the cache, or park and enqueue."""
