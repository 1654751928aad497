# pragma version 0.4.3
"""
@title Tables under construction
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a finished table has seen every member of its epoch exactly once, in rising rank, and each quorum's
        slots are cut at floor(N * cumulative weight / total weight).
@dev One draw per account, so a wrong one delays nobody else. Members without a slot are left out.
"""
from ..interfaces import IDASigners
from ..interfaces import IStakeView
from ..shared import bls12_381
from ..shared import constants as C
from . import assignment
from . import membership
from . import quorum_table

uses: membership
uses: quorum_table

MAX_PAGE: constant(uint256) = 64  # operators in one call
MIN_QUORUM_SIGNERS: constant(uint256) = 512
SERVICE_BITS: constant(uint256) = 8

tables: uint256  # begun so far; ids start at 1
draws: HashMap[address, IDASigners.Draw]


@internal
def _begin(epoch: uint256, position: uint256, total_weight: uint256) -> IDASigners.Draw:
    """
    @dev The caller's draw, ready for a page; position 0 begins anew.
    """
    assert total_weight > 0, "table_draw: no weight"
    page: IDASigners.Draw = empty(IDASigners.Draw)
    if position == 0:
        self.tables += 1
        page.epoch = epoch
        page.table = self.tables
    else:
        page = self.draws[msg.sender]
        assert page.epoch == epoch and page.position == position, "table_draw: not the next page"
    if page.total_weight == 0:
        page.total_weight = total_weight
    assert page.total_weight == total_weight, "table_draw: other total weight"
    return page


@internal
def _give(
    page: IDASigners.Draw, seed: bytes32, stake: address, operator_ids: DynArray[uint256, MAX_PAGE]
) -> IDASigners.Draw:
    """
    @dev Keep those of the page that get a slot, and add their keys to the quorum's sum.
    """
    given: IDASigners.Draw = page
    quorum: uint256 = quorum_table._quorum_key(page.table, page.quorum_id)
    sum: Bytes[128] = quorum_table._key(quorum)
    for operator_id: uint256 in operator_ids:
        rank: uint256 = self._rank(seed, operator_id)
        assert rank > given.last_rank, "table_draw: ranks not rising"
        assert membership._was_member(operator_id, page.epoch), "membership: not a member"
        given.last_rank = rank
        given.position += 1

        pool: uint256 = (operator_id << SERVICE_BITS) | C.DA
        weight: uint256 = staticcall IStakeView(stake).weight_at(pool, page.epoch)
        first_slot: uint256 = assignment.N * given.cumulative // page.total_weight
        given.cumulative += weight
        assert given.cumulative <= page.total_weight, "table_draw: total weight too low"
        end_slot: uint256 = assignment.N * given.cumulative // page.total_weight
        if end_slot == first_slot:
            continue
        key: Bytes[128] = staticcall IStakeView(stake).key_at(operator_id, page.epoch)
        quorum_table._append(
            quorum, given.signers, operator_id, (first_slot << quorum_table.SLOT_BITS) | end_slot, key
        )
        given.signers += 1
        sum = bls12_381._add(sum, key)
    quorum_table._set_key(quorum, sum)
    return given


@internal
def _finish_quorum(page: IDASigners.Draw) -> IDASigners.Draw:
    """
    @dev Close the quorum and make ready for the next one.
    """
    assert page.cumulative == page.total_weight, "table_draw: total weight too high"

    quorum_table.counts[quorum_table._quorum_key(page.table, page.quorum_id)] = page.signers
    log IDASigners.QuorumDrawn(
        table=page.table,
        quorum_id=page.quorum_id,
        signers=page.signers,
        total_weight=page.total_weight,
    )
    rest: IDASigners.Draw = page
    rest.quorum_id += 1
    rest.cumulative = 0
    rest.total_weight = 0
    rest.signers = 0
    return rest


@internal
def _keep(page: IDASigners.Draw):
    self.draws[msg.sender] = page


@internal
@pure
def _rank(seed: bytes32, operator_id: uint256) -> uint256:
    return convert(keccak256(abi_encode(seed, operator_id)), uint256)


@internal
@pure
def _quorum_count_for(members: uint256) -> uint256:
    return max(1, members // MIN_QUORUM_SIGNERS)
