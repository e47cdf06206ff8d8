"""API Gateway on one port: WebSocket APIs, HTTP APIs and the management API."""
