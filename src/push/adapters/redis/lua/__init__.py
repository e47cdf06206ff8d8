"""Scripts that Redis runs, each one atomic step."""
