"""How Apogee talks to an EVM chain: mechanism only, no domain meaning.

Owns: calls, transactions, logs, errors of a chain; the development node in `devnet`.
May import: core. web3 is imported nowhere else.
"""
