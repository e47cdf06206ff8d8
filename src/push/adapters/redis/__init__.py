"""Ports on Redis (or Valkey): results and leases, tags, topic histories and fan-out, leaderboards.

`connection` has the blocking and the asyncio client. Whatever must be atomic is a script in `lua`.
"""
