"""Deployment of a SAM template to the embedded AWS, and the description of it that the AWS APIs return."""
