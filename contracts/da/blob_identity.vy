# pragma version 0.4.3
"""
@title The id of a blob
@license AGPL-3.0-only
@author Apogee
@notice Invariant: equal ids mean equal blobs, on one chain, in one DAEntrance.
"""
from ..interfaces import IDAEntrance
from ..shared import constants as C


@internal
@view
def _id_of(blob: IDAEntrance.Blob, entrance: address) -> bytes32:
    return keccak256(abi_encode(C.TAG_BLOB, chain.id, entrance, blob))


@internal
@pure
def _certificate_hash(seed: bytes32, absent: uint256[4]) -> bytes32:
    """
    @dev What a record keeps of a certificate: the blob's seed and who was absent, bit i for signer i of the quorum.
    """
    return keccak256(abi_encode(seed, absent))
