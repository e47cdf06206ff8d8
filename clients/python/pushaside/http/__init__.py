"""The same results over HTTP, without a socket."""
