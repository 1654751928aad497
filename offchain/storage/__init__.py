"""Storage: files and streams kept for pay by groups of seats, proven, repaired and handed over.

Owns shards, groups, terms, proofs and streams. May import node, staking, chain and core; not da.
"""
