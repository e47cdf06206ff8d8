"""The consumer of the compute queue, and the built-in computes."""
