"""The core that every function shares: rules without input or output, and in `adapters` one file per technology."""
