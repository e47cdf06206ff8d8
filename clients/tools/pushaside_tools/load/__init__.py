"""`pushaside load`: a load generator in several processes, which checks and counts every answer and message."""
