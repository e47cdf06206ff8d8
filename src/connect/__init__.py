"""The authorizer of connections, and their records."""
