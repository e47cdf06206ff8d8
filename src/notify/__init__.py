"""Deliveries that did not succeed at once, and the dead letters of the compute queue."""
