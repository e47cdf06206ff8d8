"""Durable requests, and the webhooks and SNS topics that receive their answers.

`requests` holds the records and queue messages, and `recording` settles a request. `webhook_delivering` makes attempts
until one succeeds; the other `webhook_*` modules sign, check URLs and schedule. Start with `requests`.
"""
