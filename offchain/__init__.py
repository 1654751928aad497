"""Apogee's off-chain half: workers, clients and tools around the contracts.

Layers, upper may import lower: apps; gateway, jobs, sdk; da; staking; chain; core.
Source: docs/architecture.md.
"""
