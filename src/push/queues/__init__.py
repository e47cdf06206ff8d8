"""Bodies and redelivery of queue messages."""
