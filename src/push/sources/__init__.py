"""What results are made from, and what a change of it makes stale."""
