# pragma version 0.4.3
"""
@title How much a client's word weighs
@license AGPL-3.0-only
@author Apogee
@notice Invariant: weight comes only from a released item of a batch, once an item, never more than the protocol earned on
        it, and never above the cap of a client; all of it is halved whenever a quarter of 90 days begins.
@dev Quarters are counted from 1970, the same for everyone: proving a little more cannot put a halving off. A sum is
     weight u192 | quarter u64 << 192. Item leaf = keccak(0x02 || eight words), node = keccak(0x01 || left || its sum
     u96 || right || its sum u96), a lone node goes up as it is.
"""
from ..interfaces import IAgentReputation
from ..interfaces import IComputeEscrow

QUARTER: constant(uint256) = 90 * 86_400  # seconds
MAX_CAP: constant(uint256) = 10**24  # wei
MAX_LEVELS: constant(uint256) = 6
STEP_BYTES: constant(uint256) = 56
LOW_192: constant(uint256) = 2**192 - 1
LOW_96: constant(uint256) = 2**96 - 1

ESCROW: public(immutable(IComputeEscrow))
CAP: public(immutable(uint256))  # wei of stake, of one client about one agent

of_words: HashMap[uint256, HashMap[address, HashMap[uint256, uint256]]]  # agent, client, index
of_clients: HashMap[uint256, HashMap[address, uint256]]
is_used: HashMap[uint256, HashMap[uint256, bool]]  # batch, item


@deploy
def __init__(escrow: address, cap: uint256):
    assert escrow.is_contract, "earned_weight: no contract"
    assert 0 < cap and cap <= MAX_CAP, "earned_weight: cap out of range"

    ESCROW = IComputeEscrow(escrow)
    CAP = cap


@internal
@view
def _released(id: uint256) -> IComputeEscrow.Batch:
    batch: IComputeEscrow.Batch = staticcall ESCROW.batch(id)
    assert batch.state == IComputeEscrow.BatchState.RELEASED, "earned_weight: not released"
    return batch


@internal
def _earn(
    agent: uint256, client: address, index: uint256, batch: IComputeEscrow.Batch, shown: IAgentReputation.ShownItem
) -> uint256:
    """
    @dev Count an item for a word; the weight it adds.
    """
    assert shown.item.payer == client, "earned_weight: another payer"
    assert not self.is_used[shown.batch][shown.index], "earned_weight: counted already"
    self._check_item(batch, shown)
    quarter: uint256 = block.timestamp // QUARTER
    age: uint256 = quarter - convert(batch.posted_at, uint256) // QUARTER
    fee: uint256 = self._fee(batch, shown) >> age
    of_client: uint256 = self._now(self.of_clients[agent][client])
    gained: uint256 = min(fee, CAP - of_client)
    assert gained != 0, "earned_weight: nothing to gain"

    self.is_used[shown.batch][shown.index] = True
    of_word: uint256 = self._now(self.of_words[agent][client][index]) + gained
    self.of_words[agent][client][index] = of_word | quarter << 192
    self.of_clients[agent][client] = of_client + gained | quarter << 192
    return gained


@internal
@view
def _weight(agent: uint256, client: address, index: uint256) -> uint256:
    return self._now(self.of_words[agent][client][index])


@internal
@view
def _now(sum: uint256) -> uint256:
    """
    @dev What is left of it this quarter.
    """
    passed: uint256 = block.timestamp // QUARTER - min(sum >> 192, block.timestamp // QUARTER)
    if passed > 192:
        return 0
    return (sum & LOW_192) >> passed


@internal
@view
def _fee(batch: IComputeEscrow.Batch, shown: IAgentReputation.ShownItem) -> uint256:
    """
    @dev What the protocol earned on the item, in wei of stake; refunds earn nothing.
    """
    kept: uint256 = convert(shown.item.amount, uint256) - staticcall ESCROW.refunded_of(shown.batch, shown.index)
    share: uint256 = convert(batch.fee, uint256) * kept // convert(batch.total, uint256)
    if share == 0:
        return 0
    return staticcall ESCROW.wei_of(batch.token, share)


@internal
@pure
def _check_item(batch: IComputeEscrow.Batch, shown: IAgentReputation.ShownItem):
    width: uint256 = convert(batch.items, uint256)
    position: uint256 = shown.index
    assert position < width, "earned_weight: not in the batch"
    hash: bytes32 = keccak256(concat(b"\x02", abi_encode(shown.item)))
    sum: uint256 = convert(shown.item.amount, uint256)
    cursor: uint256 = 0
    for _: uint256 in range(MAX_LEVELS):
        if width == 1:
            break
        if position ^ 1 < width:
            assert cursor + STEP_BYTES <= len(shown.path), "earned_weight: not in the batch"
            sibling: bytes32 = extract32(shown.path, cursor)
            side: uint256 = (convert(extract32(shown.path, cursor + 24), uint256) >> 96) & LOW_96
            if position & 1 == 1:
                hash = self._node(sibling, side, hash, sum)
            else:
                hash = self._node(hash, sum, sibling, side)
            sum += side
            cursor += STEP_BYTES
        position >>= 1
        width = (width + 1) >> 1
    is_whole: bool = cursor == len(shown.path) and sum == convert(batch.total, uint256)
    assert is_whole and hash == batch.root, "earned_weight: not in the batch"


@internal
@pure
def _node(left: bytes32, left_sum: uint256, right: bytes32, right_sum: uint256) -> bytes32:
    return keccak256(
        concat(
            b"\x01",
            left,
            convert(convert(left_sum, uint96), bytes12),
            right,
            convert(convert(right_sum, uint96), bytes12),
        )
    )
