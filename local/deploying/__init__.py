"""Deployment of a SAM template to the embedded AWS, and what is read back from there."""
