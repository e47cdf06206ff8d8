"""The queue consumer and the built-in computes."""
