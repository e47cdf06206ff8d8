"""Adapters against real servers."""

from tests.real_servers import aws, aws_url, redis_url

__all__ = ["aws", "aws_url", "redis_url"]
