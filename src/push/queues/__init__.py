"""Rules that all queues share.

`bodies` packs a document of any size into a queue message. `redelivery` decides when a failed message returns. Start
with `bodies`.
"""
