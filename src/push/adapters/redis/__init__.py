"""Adapters over Redis (or Valkey); their scripts are in `lua`."""
