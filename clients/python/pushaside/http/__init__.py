"""The HTTP side of the client: durable requests, results as resources, and the data behind links."""
