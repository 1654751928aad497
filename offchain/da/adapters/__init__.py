"""Backends of the data-availability ports: disks, memory, HTTP, the chain, and shipped adversaries.

Owns: nothing of its own; one backend a file, wired only by `apps`.
May import: offchain.da, offchain.staking, offchain.chain, offchain.core; fastapi in http_node.py.
"""
