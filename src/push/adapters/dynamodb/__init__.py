"""Adapters over DynamoDB tables."""
