"""Signed HTTP clients of AWS services, which the other adapters use in place of boto3's.

`clients.make_client` chooses between the two; metrics and SNS, which need no folder of their own, are here too.
"""
