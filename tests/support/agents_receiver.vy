# pragma version 0.4.3
"""
@title A receiver that is a contract
@license AGPL-3.0-only
@author Apogee
@notice For tests only: ERC-1271 for one digest and one signature.
"""

digest: public(bytes32)
signature: Bytes[128]


@external
def approve(digest: bytes32, signature: Bytes[128]):
    self.digest = digest
    self.signature = signature


@external
@view
def isValidSignature(hash: bytes32, signature: Bytes[512]) -> bytes4:
    if hash == self.digest and keccak256(signature) == keccak256(self.signature):
        return 0x1626ba7e
    return 0xffffffff
