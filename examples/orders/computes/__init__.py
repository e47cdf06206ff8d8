"""The computes of orders: every compute in a module of this package is on offer."""
