"""The outside behind small interfaces: one file per technology, named for it."""
