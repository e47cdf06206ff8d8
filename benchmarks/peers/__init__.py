"""Benchmarks of Pushaside and its alternatives with the same work: `python -m benchmarks.peers --help`.

Each folder is a peer, written in the simplest way that its documentation teaches. One load generator (`client.py`,
`workloads.py`) drives all of them in rounds, one after another in each round, so that a slow moment of the machine
affects all of them.
"""
