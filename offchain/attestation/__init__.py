"""TEE evidence: who holds a signing key, what measured code holds it, until when, and who says so.

A quote is judged in two steps, the vendor library's and our policy's; relayers vouch for the
outcome with their stake. Source: docs/protocol/attestation.md.
"""
