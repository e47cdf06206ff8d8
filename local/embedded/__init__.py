"""The services that run beside the gateway and the functions: an AWS emulator and a Valkey."""
