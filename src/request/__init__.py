"""Client messages and the HTTP API: requests are validated, then answered from the cache or parked."""
