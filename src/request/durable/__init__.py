"""`POST /requests` and what follows from it."""
