# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Prepaid answers: deposits, vouchers, batches
@license AGPL-3.0-only
@author Apogee
@notice A payer's money lies free or in the bucket of one provider; a voucher accepts what was used and limits what may
        come; settling moves the difference to a held batch; audits and courts refund from it; the rest is the
        provider's. Invariant: per token, free money, buckets and held batches together are what has arrived and not
        left.
@custom:kill Nothing to stop: exits, releases and withdrawals look at no pause. Governance lists tokens, wires the courts
             once, and can take nothing.
@custom:security The courts say who is refunded, never more than an item moved and is still held. A listed token is
                 trusted to tell balances truly; what its fee takes is never credited. A payer that is a contract can
                 change what it signed at any time: a provider serves it at its own risk.
"""
from ..interfaces import IAuditView
from ..interfaces import IComputeEscrow
from ..interfaces import IServiceRegistry
from ..shared import governed
from . import batch_book
from . import buckets
from . import delegates
from . import escrow_views
from . import free_money
from . import item_tree
from . import settling
from . import stake_room
from . import token_list
from . import vouchers

implements: IComputeEscrow
initializes: governed
initializes: batch_book[token_list := token_list]
initializes: buckets
initializes: delegates
initializes: free_money
initializes: token_list
initializes: stake_room[batch_book := batch_book]
initializes: escrow_views[
    batch_book := batch_book, buckets := buckets, delegates := delegates, token_list := token_list
]
initializes: settling[buckets := buckets, delegates := delegates]
exports: (
    governed.governance,
    governed.pending_governance,
    governed.offer_governance,
    governed.accept_governance,
    batch_book.batch_count,
    batch_book.is_refunded,
    escrow_views.bucket,
    escrow_views.delegation,
    escrow_views.refunded_of,
    escrow_views.wei_of,
    escrow_views.domain_separator,
    escrow_views.voucher_digest,
    free_money.free_of,
    free_money.give,
    free_money.withdraw,
    stake_room.STAKE,
    stake_room.held_of,
    stake_room.room_of,
    stake_room.is_covered,
    stake_room.open_cases_of,
)

REGISTRY: public(immutable(IServiceRegistry))

LOW_192: constant(uint256) = 2**192 - 1
LOW_96: constant(uint256) = 2**96 - 1
LOW_32: constant(uint256) = 2**32 - 1

receipt_court: public(address)  # zero until wired
audit_court: public(address)


@deploy
def __init__(registry: address, stake: address, governance: address, windows: IComputeEscrow.Windows):
    """
    @param registry ServiceRegistry: who settles for a service, which price rows are payable.
    @param stake StakeManager: what covers the batches that are held.
    @param governance Lists tokens; wires the courts, once.
    @param windows Seconds.
    """
    assert registry.is_contract, "escrow: no contract"

    governed.__init__(governance)
    batch_book.__init__(windows.dispute)
    buckets.__init__(windows.withdraw_lock)
    delegates.__init__(windows.delegate_grace)
    REGISTRY = IServiceRegistry(registry)
    stake_room.__init__(stake)


# --- PERMISSIONLESS


@external
@payable
def deposit(payer: address, provider: address, token: address, amount: uint256) -> uint256:
    """
    @notice Pay for somebody: his bucket at a provider, or his free money. Anybody may, no minimum.
    @param provider Zero: free money.
    @param token Zero: the value sent, which `amount` repeats.
    @return Base units credited: what has arrived.
    """
    assert payer != empty(address), "escrow: no payer"
    token_list._check_listed(token)

    credited: uint256 = free_money._take_in(token, amount)
    assert credited != 0, "escrow: nothing arrived"
    if provider == empty(address):
        free_money._credit(payer, token, credited)
    else:
        buckets._put(payer, provider, token, credited)
    log IComputeEscrow.Deposited(
        account=payer, provider=provider, token=token, amount=credited, by=msg.sender
    )
    return credited


@external
def finish_exit(payer: address, provider: address, token: address) -> uint256:
    """
    @notice Make an exit whose time has come free money again, or what settling has left of it.
    @return Base units.
    """
    amount: uint256 = buckets._finish_exit(payer, provider, token)

    self._free(payer, provider, token, amount, False)
    return amount


@external
def release_exit(payer: address, provider: address, token: address, amount: uint96, r: bytes32, vs: bytes32):
    """
    @notice The same at once, with the provider's signature over `release_digest`.
    @param r EIP-2098, by the owner or the signer of the provider's operator.
    @param vs The same.
    """
    digest: bytes32 = self._release_digest(payer, provider, token, amount)
    operator_id: uint256 = staticcall stake_room.STAKE.operator_of(vouchers._signer(digest, r, vs))
    is_signed: bool = operator_id != 0 and operator_id == staticcall stake_room.STAKE.operator_of(provider)
    assert is_signed, "escrow: not signed"

    released: uint256 = convert(amount, uint256)
    buckets._release(payer, provider, token, released)
    self._free(payer, provider, token, released, True)


@external
def release(batch: uint256) -> uint256:
    """
    @notice Give the provider what is still held of a batch, less the auditors' fee.
    @return Base units credited to the provider.
    """
    provider: address = empty(address)
    operator_id: uint256 = 0
    provider, operator_id = self._settler(batch_book._service(batch))
    amount: uint256 = 0
    fee: uint256 = 0
    amount, fee = batch_book._release(batch, operator_id)
    assert staticcall IAuditView(self.audit_court).is_done(batch), "escrow: audits run"

    token: address = batch_book._token(batch)
    free_money._credit(provider, token, amount)
    free_money._credit(self.audit_court, token, fee)
    log IComputeEscrow.BatchReleased(batch=batch, provider=provider, amount=amount, fee=fee)
    return amount


# --- PAYER


@external
def fund(payer: address, provider: address, token: address, amount: uint256):
    """
    @notice Set free money aside for a provider. A delegate may, up to what it could still spend there.
    """
    assert provider != empty(address), "escrow: no provider"
    if msg.sender != payer:
        balance: uint256 = buckets._balance(payer, provider, token) + amount
        delegates._check_may_fund(payer, msg.sender, provider, token, balance)

    free_money._debit(payer, token, amount)
    buckets._put(payer, provider, token, amount)
    log IComputeEscrow.Funded(payer=payer, provider=provider, token=token, amount=amount)


@external
def request_exit(provider: address, token: address, amount: uint256):
    """
    @notice Begin to take money out of a bucket; settling may use it until the exit is finished.
    @param amount Replaces what a running exit asks for, and its time; 0 calls it off.
    """
    buckets._request_exit(msg.sender, provider, token, amount)


@external
def set_delegate(key: address, terms: IComputeEscrow.DelegateTerms):
    """
    @notice Let a key sign vouchers for the caller. Of a key that lives, cap and expiry only grow.
    """
    delegates._set(msg.sender, key, terms)


@external
def revoke_delegate(key: address):
    """
    @notice End a key: it funds nothing from now on, and what it has signed settles for DELEGATE_GRACE more.
    """
    delegates._revoke(msg.sender, key)


# --- PROVIDER


@external
def settle(
    service: bytes32,
    token: address,
    items: DynArray[IComputeEscrow.Item, item_tree.MAX_ITEMS],
    proofs: DynArray[Bytes[vouchers.MAX_SIGNATURE], settling.MAX_PROOFS],
    data_root: bytes32,
) -> uint256:
    """
    @notice Post a batch: what payers owe moves from their buckets to it. An item that fails is skipped and logged; it
            may be presented again.
    @param service Of all items; the caller is its operator's owner or signer.
    @param token Of all items.
    @param proofs EIP-1271 signatures of payers that are contracts.
    @param data_root Of the file with all leaves.
    @return The batch; 0 when no item was accepted.
    """
    frame: settling.Frame = self._frame(service, token)
    total: uint256 = 0
    leaves: uint256 = 0
    peaks: item_tree.Peaks = empty(item_tree.Peaks)
    rows: DynArray[IComputeEscrow.Row, item_tree.MAX_ITEMS] = []
    version: uint256 = 0  # of the row that was asked for last
    is_payable: bool = False
    for index: uint256 in range(len(items), bound=item_tree.MAX_ITEMS):
        item: IComputeEscrow.Item = items[index]
        asked: uint256 = (item.party >> 160) & LOW_32
        if asked != version:
            version = asked
            is_payable = self._is_payable(service, asked, token)
        moved: uint256 = 0
        reason: IComputeEscrow.SkipReason = IComputeEscrow.SkipReason.PRICE_ROW
        if is_payable:
            proof: Bytes[vouchers.MAX_SIGNATURE] = b""
            if item.vs == empty(bytes32) and convert(item.r, uint256) < len(proofs):
                proof = proofs[convert(item.r, uint256)]
            reason, moved = settling._take(frame, item, proof, total)
        if reason != empty(IComputeEscrow.SkipReason):
            payer: address = settling._payer(item)
            log IComputeEscrow.ItemSkipped(service=service, payer=payer, index=index, reason=reason)
            continue
        row: IComputeEscrow.Row = IComputeEscrow.Row(
            party=item.party & LOW_192, span=item.ask >> 96, moved=moved, leaves_root=item.leaves_root
        )
        peaks = item_tree._add(peaks, len(rows), settling._leaf(row), moved & LOW_96)
        rows.append(row)
        total += moved & LOW_96
        leaves += item.ask >> 224
    if len(rows) == 0:
        return 0
    return self._post(frame, item_tree._root(peaks, len(rows)), total, leaves, data_root, rows)


# --- COURTS


@external
def open_case(batch: uint256):
    """
    @notice Hold a batch until the case is closed.
    """
    self._check_court()
    batch_book._open_case(batch, self._operator_of(batch))


@external
def close_case(batch: uint256):
    """
    @notice End one case of a batch.
    """
    self._check_court()
    batch_book._close_case(batch, self._operator_of(batch))


@external
def refund(
    batch: uint256, index: uint256, item_amount: uint96, key: bytes32, payer: address, amount: uint96
) -> uint96:
    """
    @notice Give a payer back what an upheld finding says, from what the batch holds.
    @param index Of the item among the accepted ones; the court has seen it opened.
    @param item_amount What the item moved: its refunds never exceed it.
    @param key Names what is refunded, a leaf or an item; pays once, then 0.
    @return Base units credited to the payer.
    """
    self._check_court()
    paid: uint256 = batch_book._refund(
        batch, index, convert(item_amount, uint256), key, convert(amount, uint256)
    )
    if paid != 0:
        free_money._credit(payer, batch_book._token(batch), paid)
        log IComputeEscrow.Refunded(batch=batch, payer=payer, key=key, index=index, amount=paid)
    return convert(paid, uint96)


# --- GOVERNANCE


@external
def set_token(token: address, wei_per_token: uint256):
    """
    @notice Say how much stake 10**18 base units stand for; 0 takes no more deposits of the token.
    """
    governed._check_governance()
    token_list._set(token, wei_per_token)


@external
def wire(receipt_court: address, audit_court: address):
    """
    @notice Name the courts; once.
    """
    governed._check_governance()
    assert self.audit_court == empty(address), "escrow: wired already"
    assert receipt_court.is_contract and audit_court.is_contract, "escrow: no contract"

    self.receipt_court = receipt_court
    self.audit_court = audit_court
    log IComputeEscrow.Wired(receipt_court=receipt_court, audit_court=audit_court)


# --- VIEWS


@external
@view
def windows() -> IComputeEscrow.Windows:
    """
    @notice Seconds of every window.
    """
    return IComputeEscrow.Windows(
        dispute=batch_book.DISPUTE, withdraw_lock=buckets.LOCK, delegate_grace=delegates.GRACE
    )


@external
@view
def batch(id: uint256) -> IComputeEscrow.Batch:
    """
    @notice A batch; all zero when there is none.
    """
    provider: address = empty(address)
    service: bytes32 = batch_book.records[id].service
    if service != empty(bytes32):
        provider = self._settler(service)[0]
    return batch_book._batch(id, provider)


@external
@view
def release_digest(payer: address, provider: address, token: address, amount: uint96) -> bytes32:
    """
    @notice What a provider signs to let money out of a bucket at once; another one after each use.
    """
    return self._release_digest(payer, provider, token, amount)


# --- INTERNAL


@internal
@view
def _check_court():
    assert msg.sender == self.audit_court or msg.sender == self.receipt_court, "escrow: not a court"


@internal
@view
def _settler(service: bytes32) -> (address, uint256):
    provider: address = empty(address)
    operator_id: uint64 = 0
    provider, operator_id = staticcall REGISTRY.settler_of(service)
    return provider, convert(operator_id, uint256)


@internal
@view
def _frame(service: bytes32, token: address) -> settling.Frame:
    provider: address = empty(address)
    operator_id: uint256 = 0
    provider, operator_id = self._settler(service)
    assert operator_id != 0, "escrow: no such service"
    assert staticcall stake_room.STAKE.operator_of(msg.sender) == operator_id, "escrow: not the provider"
    assert self.audit_court != empty(address), "escrow: not wired"
    rate: uint256 = token_list._rate(token)
    assert rate != 0, "escrow: token not listed"
    return settling.Frame(
        service=service,
        provider=provider,
        operator_id=operator_id,
        token=token,
        rate=rate,
        purse=buckets._purse(provider, token),
        domain=vouchers._domain(self),
        limit=token_list._limit(rate, stake_room._room(operator_id)),
    )


@internal
@view
def _is_payable(service: bytes32, version: uint256, token: address) -> bool:
    is_payable: bool = False
    paid_in: address = empty(address)
    is_payable, paid_in = staticcall REGISTRY.payable_token(service, convert(version, uint32))
    return is_payable and paid_in == token


@internal
def _post(
    frame: settling.Frame,
    root: bytes32,
    total: uint256,
    leaves: uint256,
    data_root: bytes32,
    rows: DynArray[IComputeEscrow.Row, item_tree.MAX_ITEMS],
) -> uint256:
    """
    @dev Hold what was taken, under the next number.
    """
    id: uint256 = batch_book.batch_count + 1
    batch_book.records[id].service = frame.service
    batch_book.records[id].root = root
    counts: uint256 = leaves << 144 | len(rows) << 208 | token_list._number(frame.token) << 224
    batch_book._post(id, frame.operator_id, counts, total, token_list._value(frame.rate, total))
    log IComputeEscrow.BatchPosted(
        batch=id,
        service=frame.service,
        provider=frame.provider,
        token=frame.token,
        root=root,
        data_root=data_root,
        total=total,
        leaves=leaves,
        release_at=block.timestamp + batch_book.DISPUTE,
        items=rows,
    )
    return id


@internal
@view
def _operator_of(batch: uint256) -> uint256:
    return self._settler(batch_book._service(batch))[1]


@internal
def _free(payer: address, provider: address, token: address, amount: uint256, co_signed: bool):
    """
    @dev What has left a bucket is the payer's free money.
    """
    free_money._credit(payer, token, amount)
    log IComputeEscrow.ExitFinished(
        payer=payer, provider=provider, token=token, amount=amount, co_signed=co_signed
    )


@internal
@view
def _release_digest(payer: address, provider: address, token: address, amount: uint96) -> bytes32:
    nonce: uint256 = buckets._releases(payer, provider, token)
    return vouchers._release_digest(vouchers._domain(self), payer, provider, token, amount, nonce)
