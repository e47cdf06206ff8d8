"""The sources of results, and how their changes become tags to invalidate.

`documents` and `boards` hold the rules of the built-in computes' sources. `changes` parses stream records and S3
notifications; start there to follow a change.
"""
