"""The cache of results and the queue of computes.

`freshness` judges whether a result may be answered, `memory` is the first tier, and `ports` names the second tier with
its leases and tags. `jobs` are the messages of the compute queue. Start with `freshness`, then `ports`.
"""
