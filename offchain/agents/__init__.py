"""Agents that are owned as tokens: bundles, deliveries, sales, wallets, runs, and what they say.

Owns the bundle format, proofs of delivery, the agents' contracts' clients and the runtime. May
import compute, attestation, storage, da, staking, node, chain and core; knows no gateway, no task
queue and no command line. Source: docs/protocol/agents.md.
"""
