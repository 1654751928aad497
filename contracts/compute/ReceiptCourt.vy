# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What signed receipts prove
@license AGPL-3.0-only
@author Apogee
@notice Opens leaves of settled batches. Who shows that a receipt breaks its own promise has the payer refunded out of
        what is held, then the provider's stake pays through SlashingCourt. A payer may ask for a leaf of his that was
        withheld. Invariant: balance = bonds of open demands + credits; a fact is punished once.
@custom:kill No switch. Where no stake answers any more the refund stands alone.
@custom:security The payer is both victim and reporter, whoever sends the proof, so copying it earns nothing. The stake
                 that answers is that of the epoch the batch was settled in, whatever times receipts name.
"""
from ..interfaces import IComputeEscrow
from ..interfaces import IReceiptCourt
from ..interfaces import IServiceRegistry
from ..shared import constants as C
from ..shared import typed_data
from . import court_credits
from . import findings
from . import leaf_demands
from . import openings
from . import receipt_rules
from . import slash_size
from . import sum_path

implements: IReceiptCourt
initializes: openings
initializes: findings
initializes: leaf_demands
initializes: court_credits

exports: (openings.refund_key, findings.STAKE, findings.COURT)
exports: (leaf_demands.REVEAL, leaf_demands.demand_of, leaf_demands.bond)
exports: (court_credits.withdraw, court_credits.credit_of)

WHOLE_ITEM: constant(uint256) = max_value(uint256)  # in place of a leaf
CLAIMED_PART: constant(uint256) = max_value(uint256) - 1
DRAW_BLOCKS: constant(uint256) = 2  # after a batch: then nobody knows its draw yet
PRICE_FACTOR: constant(uint256) = 10  # of a price or signature that is not the registered one
NO_FINE: constant(uint256) = max_value(uint256)  # in place of one: the stake pays what the batch does not hold

REGISTRY: immutable(IServiceRegistry)
PRICE_GRACE: immutable(uint256)  # seconds

is_proven: reentrant(public(HashMap[bytes32, bool]))


@deploy
def __init__(
    escrow: address,
    registry: address,
    stake: address,
    court: address,
    reveal_seconds: uint256,
    evidence_seconds: uint256,
    price_grace: uint256,
    min_bond: uint256,
):
    """
    @param escrow ComputeEscrow: batches, refunds.
    @param registry ServiceRegistry: models, prices, signers.
    @param stake StakeManager.
    @param court SlashingCourt, which punishes.
    @param reveal_seconds How long a demanded leaf may take.
    @param evidence_seconds How long after an epoch's end the court hears of it.
    @param price_grace How long a retired price is payable, as ServiceRegistry says.
    @param min_bond What an answer earns at least, wei.
    """
    assert registry.is_contract, "receipt_court: no contract"

    openings.__init__(escrow)
    findings.__init__(stake, court, evidence_seconds)
    leaf_demands.__init__(reveal_seconds, min_bond)
    REGISTRY = IServiceRegistry(registry)
    PRICE_GRACE = price_grace


# --- PERMISSIONLESS


@external
def prove(offence: uint256, shown: IReceiptCourt.ShownItem, leaf: IReceiptCourt.ShownLeaf):
    """
    @notice Show a settled receipt that is wrong in itself, or that its item may ask no money for.
    @param offence CMP_BAD_PRICE, CMP_BAD_SIGNER, CMP_WRONG_MODEL or CMP_OVERCLAIM. A bad signer also is one whose
                   receipt names evidence that never stood within a minute of its time.
    """
    batch: IComputeEscrow.Batch = self._open_item(shown)
    struct_hash: bytes32 = openings._struct_hash(leaf.receipt)
    folded: sum_path.Folded = self._open_leaf(shown.item, leaf, struct_hash)
    is_wrong: bool = False
    is_void: bool = False
    if offence == C.CMP_BAD_PRICE:
        is_wrong = self._is_bad_price(batch.service, leaf.receipt)
    elif offence == C.CMP_BAD_SIGNER:
        signer: address = staticcall REGISTRY.signer_at(batch.service, convert(leaf.receipt.time, uint256))
        found: address = receipt_rules._signer(self._digest(struct_hash), leaf.signature)
        is_wrong = found != signer or found == empty(address)
        if not is_wrong:
            is_wrong, is_void = receipt_rules._unattested(staticcall REGISTRY.attestations(), leaf.receipt)
    elif offence == C.CMP_WRONG_MODEL:
        is_wrong = leaf.receipt.model_hash != (staticcall REGISTRY.service(batch.service)).model_hash
    elif offence == C.CMP_OVERCLAIM:
        is_asked: bool = receipt_rules._belongs(leaf.receipt, shown.item, batch)
        is_wrong = not is_asked or folded.weight != convert(leaf.receipt.price, uint256)
    else:
        raise "receipt_court: another proof"
    assert is_wrong, "receipt_court: nothing is wrong"

    if offence == C.CMP_OVERCLAIM:
        self._convict_item(batch, shown)
    else:
        self._convict_leaf(offence, batch, shown, leaf.index, folded.weight, is_void)


@external
def prove_count(
    shown: IReceiptCourt.ShownItem,
    leaf: IReceiptCourt.ShownLeaf,
    header: Bytes[receipt_rules.HEADER_BYTES],
    leaves: uint32,
    path: Bytes[512],
):
    """
    @notice Show that an answer's commitment counts other tokens than its receipt bills.
    @param header Leaf 0 of the commitment.
    @param leaves Of the commitment.
    @param path Siblings of the header, 32 bytes each, lowest first.
    """
    batch: IComputeEscrow.Batch = self._open_item(shown)
    folded: sum_path.Folded = self._open_leaf(shown.item, leaf, openings._struct_hash(leaf.receipt))
    count: uint256 = convert(leaves, uint256)
    receipt_rules._check_header(leaf.receipt.commitment, header, count, path)
    assert not receipt_rules._counts_fit(leaf.receipt, header, count), "receipt_court: nothing is wrong"

    self._convict_leaf(C.CMP_BAD_COUNT, batch, shown, leaf.index, folded.weight, False)


@external
def prove_sums(
    shown: IReceiptCourt.ShownItem, leaf_hash: bytes32, leaf: uint256, path: Bytes[sum_path.LEAF_PATH]
):
    """
    @notice Show a path on which an item's tree does not add up. Nobody needs to know the leaf itself.
    """
    batch: IComputeEscrow.Batch = self._open_item(shown)
    folded: sum_path.Folded = openings._check_leaf(shown.item, leaf_hash, leaf, path)
    assert not folded.adds_up, "receipt_court: nothing is wrong"

    self._convict_item(batch, shown)


@external
def prove_repeat(
    shown: IReceiptCourt.ShownItem, first: IReceiptCourt.ShownLeaf, second: IReceiptCourt.ShownLeaf
):
    """
    @notice Show two leaves of an item, a nonce and one to its right that is not greater.
    """
    batch: IComputeEscrow.Batch = self._open_item(shown)
    self._open_leaf(shown.item, first, openings._struct_hash(first.receipt))
    self._open_leaf(shown.item, second, openings._struct_hash(second.receipt))
    is_wrong: bool = first.index < second.index and first.receipt.nonce >= second.receipt.nonce
    assert is_wrong, "receipt_court: nothing is wrong"

    self._convict_item(batch, shown)


@external
def prove_equivocation(
    shown: IReceiptCourt.ShownItem,
    leaf: IReceiptCourt.ShownLeaf,
    other: IReceiptCourt.Receipt,
    signature: Bytes[65],
):
    """
    @notice Show that the provider signed another receipt for the same request number of the same payer in the same
            token than the one it settled. The service is suspended.
    @param other The receipt that was not settled here.
    @param signature Of `other`, by the signer of its service.
    """
    batch: IComputeEscrow.Batch = self._open_item(shown)
    struct_hash: bytes32 = openings._struct_hash(leaf.receipt)
    folded: sum_path.Folded = self._open_leaf(shown.item, leaf, struct_hash)
    other_hash: bytes32 = openings._struct_hash(other)
    assert other_hash != struct_hash, "receipt_court: nothing is wrong"
    is_same: bool = other.payer == leaf.receipt.payer and other.nonce == leaf.receipt.nonce
    assert is_same and leaf.receipt.payer == shown.item.payer, "receipt_court: another request"
    other_provider: address = (staticcall REGISTRY.settler_of(other.service))[0]
    is_his: bool = other.provider == batch.provider and other_provider == batch.provider
    assert is_his, "receipt_court: another provider"
    row: IServiceRegistry.PriceRow = staticcall REGISTRY.price_row(other.service, other.price_version)
    is_same = row.valid_from == 0 or row.token == batch.token  # every token's bucket counts its own nonces
    assert is_same, "receipt_court: another request"
    signer: address = staticcall REGISTRY.signer_at(other.service, convert(other.time, uint256))
    found: address = receipt_rules._signer(self._digest(other_hash), signature)
    assert found == signer and found != empty(address), "receipt_court: not signed"

    subject: bytes32 = keccak256(abi_encode(other.payer, other.provider, batch.token, other.nonce))
    self._convict(
        C.CMP_EQUIVOCATION, batch, shown, leaf.index, folded.weight, self._penalty(batch), subject
    )
    extcall REGISTRY.suspend(batch.service)


@external
def answer(shown: IReceiptCourt.ShownItem, leaf: IReceiptCourt.ShownLeaf):
    """
    @notice Show the leaf that the payer of an item asks for. The provider gets the bond, whoever sends this.
    """
    batch: IComputeEscrow.Batch = self._open_item(shown)
    demand: IReceiptCourt.Demand = leaf_demands._read_open(shown.batch, shown.index)
    assert leaf.index == demand.leaf, "receipt_court: another leaf"
    assert block.timestamp <= demand.deadline, "receipt_court: too late"
    self._open_leaf(shown.item, leaf, openings._struct_hash(leaf.receipt))

    leaf_demands._end(shown.batch, shown.index)
    court_credits._credit(batch.provider, demand.bond)
    log IReceiptCourt.LeafAnswered(
        batch=shown.batch,
        payer=demand.payer,
        index=shown.index,
        receipt=leaf.receipt,
        signature=leaf.signature,
    )
    extcall openings.ESCROW.close_case(shown.batch)


@external
def close(shown: IReceiptCourt.ShownItem):
    """
    @notice End a demand that nobody answered in time: the bond and the claimed part of the item go back to the payer,
            and the provider pays as for a draw that failed.
    """
    batch: IComputeEscrow.Batch = self._open_item(shown)
    demand: IReceiptCourt.Demand = leaf_demands._read_open(shown.batch, shown.index)
    assert block.timestamp > demand.deadline, "receipt_court: answer may come"

    leaf_demands._end(shown.batch, shown.index)
    court_credits._credit(demand.payer, demand.bond)
    log IReceiptCourt.DemandLapsed(
        batch=shown.batch, payer=demand.payer, index=shown.index, leaf=demand.leaf
    )
    subject: bytes32 = openings._leaf_key(shown.batch, shown.index, CLAIMED_PART)
    claimed: uint256 = convert(shown.item.claimed, uint256)
    self._convict(
        C.CMP_UNAVAILABLE, batch, shown, CLAIMED_PART, claimed, self._penalty(batch), subject
    )
    extcall openings.ESCROW.close_case(shown.batch)


# --- PAYER


@external
@payable
def demand(shown: IReceiptCourt.ShownItem, leaf: uint256):
    """
    @notice Ask the provider for a leaf of one's own item, before the batch is released. What exceeds the bond is
            credited back.
    """
    batch: IComputeEscrow.Batch = self._open_item(shown)
    assert msg.sender == shown.item.payer, "receipt_court: not your item"
    assert shown.item.claimed != 0, "receipt_court: all accepted"
    assert leaf < convert(shown.item.leaf_count, uint256), "receipt_court: no such leaf"
    assert block.timestamp < convert(batch.release_at, uint256), "receipt_court: too late"
    lapsed: bytes32 = openings._leaf_key(shown.batch, shown.index, CLAIMED_PART)
    assert not self.is_proven[self._fact(C.CMP_UNAVAILABLE, lapsed)], "receipt_court: proven already"
    bond: uint256 = leaf_demands._bond()
    assert msg.value >= bond, "receipt_court: bond too low"

    deadline: uint256 = leaf_demands._open(shown.batch, shown.index, msg.sender, leaf, bond)
    court_credits._credit(msg.sender, msg.value - bond)
    log IReceiptCourt.LeafDemanded(
        batch=shown.batch, payer=msg.sender, index=shown.index, leaf=leaf, deadline=deadline, bond=bond
    )
    extcall openings.ESCROW.open_case(shown.batch)


# --- PROVIDER


@external
def declare_fault(shown: IReceiptCourt.ShownItem, leaf: IReceiptCourt.ShownLeaf):
    """
    @notice Give a leaf's price back before anybody can know whether it is drawn, for a tenth of it.
    """
    batch: IComputeEscrow.Batch = self._open_item(shown)
    operator_id: uint256 = findings._operator_of(msg.sender)
    is_his: bool = operator_id != 0 and operator_id == self._operator_id(batch.service)
    assert is_his, "receipt_court: not your batch"
    last: uint256 = convert(batch.posted_block, uint256) + DRAW_BLOCKS
    assert block.number <= last, "receipt_court: draw is known"
    folded: sum_path.Folded = self._open_leaf(shown.item, leaf, openings._struct_hash(leaf.receipt))

    price: uint256 = staticcall openings.ESCROW.wei_of(batch.token, folded.weight)
    fine: uint256 = slash_size._declared(price, self._penalty(batch))
    subject: bytes32 = openings._leaf_key(shown.batch, shown.index, leaf.index)
    self._convict(C.CMP_DECLARED, batch, shown, leaf.index, folded.weight, fine, subject)


# --- VIEWS


@external
@view
@reentrant
def receipt_digest(receipt: IReceiptCourt.Receipt) -> bytes32:
    """
    @return What the service's signer signs.
    """
    return self._digest(openings._struct_hash(receipt))


@external
@view
@reentrant
def fact_of(offence: uint256, subject: bytes32) -> bytes32:
    """
    @return The name under which `is_proven` knows an offence. Its subject is the leaf's `refund_key`; of an item's
            offences with 2**256 - 1 for the leaf (OVERCLAIM) or 2**256 - 2 (UNAVAILABLE); of an equivocation the hash
            of payer, provider, token, nonce.
    """
    return self._fact(offence, subject)


@external
@view
@reentrant
def penalty(batch: uint256) -> uint256:
    return self._penalty(openings._batch(batch))


@external
@view
@reentrant
def evidence_seconds(offence: uint256) -> uint256:
    """
    @notice How long after the end of an epoch evidence may arrive.
    """
    is_leaf: bool = offence >= C.CMP_BAD_PRICE and offence <= C.CMP_UNAVAILABLE
    assert is_leaf or offence == C.CMP_DECLARED, "receipt_court: unknown offence"
    return findings.EVIDENCE


# --- INTERNAL


@internal
@view
def _open_item(shown: IReceiptCourt.ShownItem) -> IComputeEscrow.Batch:
    batch: IComputeEscrow.Batch = openings._batch(shown.batch)
    openings._check_item(batch, shown)
    return batch


@internal
@pure
def _open_leaf(
    item: IComputeEscrow.Settled, leaf: IReceiptCourt.ShownLeaf, struct_hash: bytes32
) -> sum_path.Folded:
    leaf_hash: bytes32 = openings._leaf_hash(struct_hash, leaf.signature)
    return openings._check_leaf(item, leaf_hash, leaf.index, leaf.path)


@internal
def _convict_leaf(
    offence: uint256,
    batch: IComputeEscrow.Batch,
    shown: IReceiptCourt.ShownItem,
    leaf: uint256,
    weight: uint256,
    is_void: bool,
):
    """
    @param is_void The receipt's evidence was a lie of those who vouched for it, and they pay for that.
    """
    amount: uint256 = NO_FINE
    if is_void:
        pass
    elif offence == C.CMP_BAD_PRICE or offence == C.CMP_BAD_SIGNER:
        price: uint256 = staticcall openings.ESCROW.wei_of(batch.token, weight)
        amount = max(PRICE_FACTOR * price, 1)
    else:
        amount = self._penalty(batch)
    subject: bytes32 = openings._leaf_key(shown.batch, shown.index, leaf)
    self._convict(offence, batch, shown, leaf, weight, amount, subject)


@internal
def _convict_item(batch: IComputeEscrow.Batch, shown: IReceiptCourt.ShownItem):
    subject: bytes32 = openings._leaf_key(shown.batch, shown.index, WHOLE_ITEM)
    total: uint256 = convert(shown.item.amount, uint256)
    self._convict(C.CMP_OVERCLAIM, batch, shown, WHOLE_ITEM, total, self._penalty(batch), subject)


@internal
def _convict(
    offence: uint256,
    batch: IComputeEscrow.Batch,
    shown: IReceiptCourt.ShownItem,
    leaf: uint256,
    due: uint256,
    amount: uint256,
    subject: bytes32,
):
    """
    @dev Refund first, then the stake.
    @param leaf Or what stands for one: names the refund.
    @param due Base units the payer gets back.
    @param amount Wei of the provider's stake, or NO_FINE.
    """
    fact: bytes32 = self._fact(offence, subject)
    assert not self.is_proven[fact], "receipt_court: proven already"
    self.is_proven[fact] = True

    refunded: uint256 = 0
    short: uint256 = 0
    key: bytes32 = openings._leaf_key(shown.batch, shown.index, leaf)
    refunded, short = openings._refund(shown, key, due)
    loss: uint256 = 0
    if short != 0:
        loss = staticcall openings.ESCROW.wei_of(batch.token, short)
    told: uint256 = loss if amount == NO_FINE else amount
    if amount != NO_FINE or loss != 0:
        told = findings._tell(
            offence,
            findings._pool(self._operator_id(batch.service), C.COMPUTE),
            findings._epoch_at(convert(batch.posted_at, uint256)),
            subject,
            told,
            shown.item.payer,
            loss,
            shown.item.payer,
        )
    log IReceiptCourt.OffenceProven(
        offence=offence,
        batch=shown.batch,
        service=batch.service,
        index=shown.index,
        leaf=leaf,
        payer=shown.item.payer,
        refunded=refunded,
        amount=told,
    )


@internal
@view
def _is_bad_price(service: bytes32, receipt: IReceiptCourt.Receipt) -> bool:
    row: IServiceRegistry.PriceRow = staticcall REGISTRY.price_row(service, receipt.price_version)
    if not receipt_rules._is_payable(row, convert(receipt.time, uint256), PRICE_GRACE):
        return True
    return receipt_rules._price(row, receipt) != convert(receipt.price, uint256)


@internal
@view
def _operator_id(service: bytes32) -> uint256:
    return convert((staticcall REGISTRY.settler_of(service))[1], uint256)


@internal
@view
def _penalty(batch: IComputeEscrow.Batch) -> uint256:
    total: uint256 = staticcall openings.ESCROW.wei_of(batch.token, convert(batch.total, uint256))
    return slash_size._penalty(total, slash_size._draws(convert(batch.leaves, uint256)))


@internal
@view
def _digest(struct_hash: bytes32) -> bytes32:
    return typed_data._digest(staticcall openings.ESCROW.domain_separator(), struct_hash)


@internal
@pure
def _fact(offence: uint256, subject: bytes32) -> bytes32:
    return keccak256(abi_encode(offence, subject))
