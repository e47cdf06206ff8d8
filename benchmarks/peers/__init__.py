"""The same work done by Pushaside and by what people would pick instead: `python -m benchmarks.peers --help`.

Each folder is a peer, written the plainest way its own documentation teaches. All are driven by one load generator
(`client.py`, `workloads.py`), in rounds, one after another in each round, so that a slow moment of the machine hits
all of them.
"""
