"""Client of Pushaside."""
