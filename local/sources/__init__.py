"""Event sources: pollers of queues and streams, with Lambda's rules."""
