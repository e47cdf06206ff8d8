"""Ports on S3: large results, queue messages that are too large for SQS, the demo's documents.

All of them are objects in the storage bucket.
"""
