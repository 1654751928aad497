# pragma version 0.4.3
"""
@title EIP-712 typed data
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a digest names one chain and one contract. The chain id is read at each call, so a fork of the
        chain has another domain.
"""

DOMAIN_TYPE: constant(bytes32) = keccak256(
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)


@internal
@view
def _domain(name_hash: bytes32, version_hash: bytes32, verifier: address) -> bytes32:
    """
    @dev The domain separator of `verifier` on this chain.
    """
    return keccak256(abi_encode(DOMAIN_TYPE, name_hash, version_hash, chain.id, verifier))


@internal
@pure
def _digest(domain: bytes32, struct_hash: bytes32) -> bytes32:
    """
    @dev What is signed: 0x19 0x01, domain, struct hash.
    """
    return keccak256(concat(0x1901, domain, struct_hash))
