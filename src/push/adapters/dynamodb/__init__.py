"""Ports on DynamoDB: connections, tickets, subscriptions, durable requests, webhook endpoints, the demo's sources.

Each class works on one table. `errors` translates botocore's exceptions.
"""
