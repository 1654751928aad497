# pragma version 0.4.3
"""
@title Keys that may sign vouchers for a payer, up to a cap
@license AGPL-3.0-only
@author Apogee
@notice Invariant: what a key has spent only grows and never exceeds the cap its payer gave it.
@dev A payer contract may tell epochs: `voucher_epoch() -> (epoch, since)`. With a new epoch the keys of the one before
     settle for GRACE more and those of older ones no more. A provider that holds vouchers of a key is not robbed by
     its end, so a key's terms only widen while it lives, and revoking works after GRACE.
"""
from ..interfaces import IComputeEscrow

LOW_96: constant(uint256) = 2**96 - 1
LOW_64: constant(uint256) = 2**64 - 1
HAS_EPOCH: constant(uint256) = 1 << 224
IS_REVOKED: constant(uint256) = 1 << 225
HAS_PROVIDER: constant(uint256) = 1 << 226
HAS_SERVICE: constant(uint256) = 1 << 227
EPOCH_GAS: constant(uint256) = 50_000  # a payer's contract may burn
VOUCHER_EPOCH: constant(Bytes[4]) = method_id("voucher_epoch()")

GRACE: immutable(uint256)  # seconds

sums: HashMap[address, HashMap[address, uint256]]  # payer -> key: cap u96 | spent u96 << 96 | expiry u64 << 192
marks: HashMap[address, HashMap[address, uint256]]  # token | epoch u64 << 160 | marks above
providers: HashMap[address, HashMap[address, address]]
services: HashMap[address, HashMap[address, bytes32]]


@deploy
def __init__(grace: uint256):
    assert grace > 0, "delegates: no grace"

    GRACE = grace


@internal
def _set(payer: address, key: address, terms: IComputeEscrow.DelegateTerms):
    assert key != empty(address) and key != payer, "delegates: no key"
    assert convert(terms.expiry, uint256) > block.timestamp, "delegates: expired"
    sums: uint256 = self.sums[payer][key]
    cap: uint256 = convert(terms.cap, uint256)
    assert cap > (sums >> 96) & LOW_96, "delegates: cap is spent"
    if sums != 0:
        self._check_widens(payer, key, sums, terms)

    has_epoch: bool = False
    epoch: uint256 = 0
    since: uint256 = 0
    has_epoch, epoch, since = self._epoch_of(payer)
    marks: uint256 = convert(terms.token, uint256) | epoch << 160
    if has_epoch:
        marks |= HAS_EPOCH
    if terms.provider != empty(address):
        marks |= HAS_PROVIDER
    if terms.service != empty(bytes32):
        marks |= HAS_SERVICE
    self.marks[payer][key] = marks
    self.providers[payer][key] = terms.provider
    self.services[payer][key] = terms.service
    self.sums[payer][key] = cap | ((sums >> 96) & LOW_96) << 96 | convert(terms.expiry, uint256) << 192
    log IComputeEscrow.DelegateSet(payer=payer, key=key, terms=terms, epoch=convert(epoch, uint64))


@internal
def _revoke(payer: address, key: address):
    sums: uint256 = self.sums[payer][key]
    marks: uint256 = self.marks[payer][key]
    assert sums >> 192 > block.timestamp, "delegates: not live"
    assert marks & IS_REVOKED == 0, "delegates: revoked already"

    expiry: uint256 = min(sums >> 192, block.timestamp + GRACE)
    self.sums[payer][key] = (sums & (2**192 - 1)) | expiry << 192
    self.marks[payer][key] = marks | IS_REVOKED
    log IComputeEscrow.DelegateRevoked(payer=payer, key=key, expiry=expiry)


@internal
def _spend(
    payer: address, key: address, provider: address, service: bytes32, token: address, amount: uint256
) -> IComputeEscrow.SkipReason:
    """
    @dev Count an amount against a key's cap; empty when that is done.
    """
    sums: uint256 = self.sums[payer][key]
    if sums == 0:
        return IComputeEscrow.SkipReason.SIGNATURE
    spent: uint256 = ((sums >> 96) & LOW_96) + amount
    if block.timestamp > sums >> 192 or spent > sums & LOW_96:
        return IComputeEscrow.SkipReason.DELEGATE
    marks: uint256 = self.marks[payer][key]
    if not self._is_in_scope(payer, key, marks, provider, service, token):
        return IComputeEscrow.SkipReason.DELEGATE
    if marks & HAS_EPOCH != 0 and not self._is_in_epoch(payer, (marks >> 160) & LOW_64, GRACE):
        return IComputeEscrow.SkipReason.DELEGATE

    self.sums[payer][key] = sums + (amount << 96)
    return empty(IComputeEscrow.SkipReason)


@internal
@view
def _check_may_fund(payer: address, key: address, provider: address, token: address, balance: uint256):
    """
    @dev A key may fill a bucket up to what it could still spend from it; `balance` is what the bucket would hold. Only
         while it is neither revoked nor of an ended epoch.
    """
    sums: uint256 = self.sums[payer][key]
    marks: uint256 = self.marks[payer][key]
    assert sums != 0 and block.timestamp <= sums >> 192, "delegates: not live"
    assert marks & IS_REVOKED == 0, "delegates: revoked already"
    assert self._is_in_scope(payer, key, marks, provider, self.services[payer][key], token), "delegates: out of scope"
    if marks & HAS_EPOCH != 0:
        assert self._is_in_epoch(payer, (marks >> 160) & LOW_64, 0), "delegates: epoch ended"
    assert balance + ((sums >> 96) & LOW_96) <= sums & LOW_96, "delegates: over the cap"


@internal
@view
def _delegation(payer: address, key: address) -> IComputeEscrow.Delegation:
    sums: uint256 = self.sums[payer][key]
    marks: uint256 = self.marks[payer][key]
    return IComputeEscrow.Delegation(
        token=convert(convert(marks & (2**160 - 1), uint160), address),
        cap=convert(sums & LOW_96, uint96),
        spent=convert((sums >> 96) & LOW_96, uint96),
        expiry=convert(sums >> 192, uint64),
        provider=self.providers[payer][key],
        service=self.services[payer][key],
        epoch=convert((marks >> 160) & LOW_64, uint64),
        has_epoch=marks & HAS_EPOCH != 0,
        is_revoked=marks & IS_REVOKED != 0,
    )


@internal
@view
def _check_widens(payer: address, key: address, sums: uint256, terms: IComputeEscrow.DelegateTerms):
    """
    @dev The token stays for ever: spent is counted in it. The rest may change once no voucher of the key settles.
    """
    known: uint256 = self.marks[payer][key] & (2**160 - 1)
    assert known == convert(terms.token, uint256), "delegates: other token"
    if block.timestamp > sums >> 192:
        return
    assert convert(terms.cap, uint256) >= sums & LOW_96, "delegates: still live"
    assert convert(terms.expiry, uint256) >= sums >> 192, "delegates: still live"
    same: bool = self.providers[payer][key] == terms.provider and self.services[payer][key] == terms.service
    assert same, "delegates: still live"


@internal
@view
def _is_in_scope(
    payer: address, key: address, marks: uint256, provider: address, service: bytes32, token: address
) -> bool:
    if marks & (2**160 - 1) != convert(token, uint256):
        return False
    if marks & HAS_PROVIDER != 0 and self.providers[payer][key] != provider:
        return False
    return marks & HAS_SERVICE == 0 or self.services[payer][key] == service


@internal
@view
def _is_in_epoch(payer: address, epoch: uint256, grace: uint256) -> bool:
    """
    @dev A payer that told epochs once and tells none now has no delegates.
    """
    has_epoch: bool = False
    now: uint256 = 0
    since: uint256 = 0
    has_epoch, now, since = self._epoch_of(payer)
    if not has_epoch:
        return False
    return now == epoch or (grace != 0 and now == epoch + 1 and block.timestamp <= since + grace)


@internal
@view
def _epoch_of(payer: address) -> (bool, uint256, uint256):
    """
    @dev Whether the payer tells epochs, the running one, and since when.
    """
    success: bool = False
    answer: Bytes[65] = b""
    success, answer = raw_call(
        payer,
        VOUCHER_EPOCH,
        max_outsize=65,  # one more, so that a longer answer shows
        gas=EPOCH_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(answer) != 64:
        return False, 0, 0
    epoch: uint256 = convert(slice(answer, 0, 32), uint256)
    since: uint256 = convert(slice(answer, 32, 32), uint256)
    if epoch > LOW_64 or since > LOW_64:
        return False, 0, 0
    return True, epoch, since
