"""The computes of {{name}}: every compute in a module of this package is on offer."""
