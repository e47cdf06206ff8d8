"""The sources of results, and how their changes become tags to invalidate.

`documents` and `boards` hold the rules of the built-in computes' sources. `changes` parses stream records and
messages of the queue of changes; start there to follow a change. `raised_tags` are the tags that callers raise.
"""
