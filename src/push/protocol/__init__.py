"""The wire protocol, without I/O.

`messages` parses what clients send, and `frames` writes what the server sends. Start with those two; `large_answers`
and `chunks` handle results that exceed a message, and `problems` writes the HTTP API's errors.
"""
