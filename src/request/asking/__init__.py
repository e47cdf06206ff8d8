"""Requests for results: find, judge, park and send."""
