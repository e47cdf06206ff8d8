"""The computes of dashboard: every compute in a module of this package is on offer."""
