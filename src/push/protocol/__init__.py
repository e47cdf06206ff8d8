"""Messages and frames of the wire protocol, without I/O."""
