"""Ways to reach an EVM: HTTP to a node, or the embedded node in this process.

Owns: transports only; reading and writing over them is `Node`. May import: core, chain.
"""
