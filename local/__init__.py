"""One-machine runtime: runs a deployed serverless WebSocket stack without the cloud."""
