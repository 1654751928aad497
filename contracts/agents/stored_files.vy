# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Whether a file is kept
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what counts as kept has the hash in question, and storage owes it now.
"""


# IStorageMarket.File, read as plain words: half the code
struct File:
    state: uint256
    before: uint256[4]
    root: bytes32
    between: uint256[7]
    leaves: uint256


interface Market:
    def file(id: bytes32) -> File: view


STORED: constant(uint256) = 4  # IStorageMarket.FileState.STORED
STORAGE_MARKET: public(immutable(address))


@deploy
def __init__(storage_market: address):
    assert storage_market.is_contract  # dev: no contract

    STORAGE_MARKET = storage_market


@internal
@view
def _check_kept(location: bytes32, data_hash: bytes32):
    """
    @param location Its submission's id.
    """
    file: File = staticcall Market(STORAGE_MARKET).file(location)
    is_live: bool = file.state == STORED and block.timestamp < file.leaves
    assert is_live and file.root == data_hash, "agent_nft: file is not kept"
