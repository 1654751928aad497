"""Data availability: publish bytes that anyone can fetch, with somebody liable for each part.

Owns: encoding, node check, dispersal, retrieval, shared matrices and their errors.
May import: `staking`, `chain`, `core`; never the gateway, jobs, sdk or apps.
"""
