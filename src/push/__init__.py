"""The core that every Lambda function shares.

Each folder is one subject: its rules are pure, and its `ports.py` names what it needs from outside. `adapters`
implements those ports, one folder per technology. Start with `computes` and `keys`, then `cache` for a request's way to
its result and `topics` for subscriptions.
"""
