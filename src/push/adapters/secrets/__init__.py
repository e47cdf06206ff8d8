"""Secrets from Secrets Manager: for tokens, outgoing webhooks and inbound webhooks.

They are cached in the execution environment and refreshed, so that operators can rotate them.
"""
