"""The development chain: an embedded py-evm node, or Anvil behind the same guarded HTTP face.

Owns: the node's ledger and execution, native precompiles, the RPC guard, the Anvil child.
May import: core. Nothing above `chain` imports it but apps and tests.
"""
