"""The load generator behind `pushaside load`: what is asked and when, what is counted, and the processes that do it."""
