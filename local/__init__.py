"""The one-machine runtime, which runs a serverless WebSocket stack without the cloud."""
