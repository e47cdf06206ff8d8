"""Delivery of frames to connections, and of answers to waiters.

`delivering` pushes frames and queues the ones to retry. `waiter_answers` answers all waiters of a key. Start with
`waiter_answers`, then `delivering`.
"""
