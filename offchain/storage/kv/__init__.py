"""Key-value streams: signed operations in the log's order, replayed to one root, every read proven.

Owns operations, rights, replay, the state tree, replicas, batches and snapshots. Imports node,
chain and core; payloads come through a port.
"""
