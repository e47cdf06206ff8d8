"""Adapters over the S3 bucket."""
