"""The computes of ledger: every compute in a module of this package is on offer."""
