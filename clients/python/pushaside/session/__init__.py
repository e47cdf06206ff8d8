"""The client's side of the protocol, without I/O and without a clock."""
