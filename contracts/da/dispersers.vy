# pragma version 0.4.3
"""
@title Who answers for an encoding
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an operator is made to answer for a blob only when it has DA stake and has agreed to that blob, by
        paying for it itself or by its signature of the blob's id.
"""
from snekmate.utils import ecdsa
from ..interfaces import IDAEntrance
from ..interfaces import IStakeView
from ..shared import constants as C
from . import attestation

SERVICE_BITS: constant(uint256) = 8


@internal
@view
def _answerable(
    blob: IDAEntrance.Blob, blob_id: bytes32, authorisation: Bytes[65], stake: address, entrance: address
) -> uint256:
    """
    @dev The operator behind `blob.disperser`.
    """
    operator_id: uint256 = staticcall IStakeView(stake).operator_of(blob.disperser)
    assert operator_id != 0, "da_entrance: no such disperser"
    pool: uint256 = (operator_id << SERVICE_BITS) | C.DA
    assert staticcall IStakeView(stake).is_member(pool), "da_entrance: disperser unstaked"
    if staticcall IStakeView(stake).operator_of(blob.payer) == operator_id:
        return operator_id
    assert len(authorisation) == 65, "da_entrance: not authorised"
    digest: bytes32 = attestation._dispersal_digest(blob_id, entrance)
    assert ecdsa._recover_sig(digest, authorisation) == blob.disperser, "da_entrance: not authorised"
    return operator_id
