"""Inbound webhooks: HTTP calls of other services that become messages of a topic.

`sources` declares the allowed senders, and `inbound` verifies signatures and drops repeated webhooks. Start with
`sources`.
"""
