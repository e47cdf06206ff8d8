"""Who may connect, and what is recorded of a connection."""
