"""The computes of weather: every compute in a module of this package is on offer."""
