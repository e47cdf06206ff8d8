"""The services that run beside it: an AWS emulator and a Redis."""
