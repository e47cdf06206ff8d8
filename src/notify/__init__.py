"""Deliveries, topic fan-out, webhooks, changes of sources, and the dead letters of the compute queue."""
