"""Adapters over SQS queues."""
