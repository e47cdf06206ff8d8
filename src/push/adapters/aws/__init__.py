"""What the adapters of AWS services share: clients, signatures, connections."""
