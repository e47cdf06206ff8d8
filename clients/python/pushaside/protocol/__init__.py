"""Messages of the protocol, without I/O."""
