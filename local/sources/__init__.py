"""Event sources: queues and streams, polled as Lambda polls them."""
