"""Subscriptions, publications, topic pages and inbound webhooks."""
