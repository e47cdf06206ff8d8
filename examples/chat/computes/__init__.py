"""The computes of chat: every compute in a module of this package is on offer."""
