"""Topics: channels and live results, their histories, and fan-out to subscribers.

`topics`, `positions` and `namespaces` define what a client names. `ports` holds the contracts of histories and
subscriptions, and `ShardProgress` explains how no message is lost. `fanning_out` is the worker. Start with `topics`,
then read `ports.ShardProgress`.
"""
