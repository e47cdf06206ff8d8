"""The commands `pushaside load` and `pushaside plan`."""
