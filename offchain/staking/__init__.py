"""Stake: who is locked in for which service, what it weighs, and what a proven fault costs.

Owns: the pure ledger that StakeManager is compared with, the stake tree, the clients of
OperatorRegistry, StakeManager, SlashingCourt and RandomBeacon. May import: `core`, `chain`.
"""
