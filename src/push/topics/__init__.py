"""Topics: subscriptions, histories, and fan-out to subscribers."""
