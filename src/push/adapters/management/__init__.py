"""Pushes to clients through the management API (`@connections`) of API Gateway.

`frame_series` is the client, which sends `push_requests` on each `push_connection`. `connections` sends single frames
with it, and `reference_connections` does so by boto3.
"""
