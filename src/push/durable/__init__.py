"""Durable requests and the webhooks that deliver their answers."""
