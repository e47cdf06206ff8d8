"""Access control at the handshake, and the records of connections.

`access` decides whether a client may connect. `handshakes` finds its credential, `tokens` checks the claims of a JWT,
and `tickets` are one-time credentials for browsers. Start with `access`.
"""
