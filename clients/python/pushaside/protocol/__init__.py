"""The messages of the protocol, without I/O."""
