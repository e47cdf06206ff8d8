"""Ports on SQS: one module per queue, named for what it carries.

`sender` batches messages; `redelivery` sets when failed ones are redelivered.
"""
