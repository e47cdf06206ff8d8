"""Answers HTTP requests with what was asked."""

import json


def handler(event, context):
    return {
        "statusCode": 200,
        "body": json.dumps({"route": event["routeKey"], "path": event.get("pathParameters", {})}),
    }
