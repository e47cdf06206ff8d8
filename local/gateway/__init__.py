"""API Gateway on one port: WebSocket and HTTP APIs, and the management API."""
