"""`pushaside load` and `pushaside plan`."""
