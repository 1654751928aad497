# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What the escrow tells of its books
@license AGPL-3.0-only
@author Apogee
@notice Invariant: nothing here writes.
"""
from ..interfaces import IComputeEscrow
from . import batch_book
from . import buckets
from . import delegates
from . import token_list
from . import vouchers

uses: batch_book
uses: buckets
uses: delegates
uses: token_list


@external
@view
def bucket(payer: address, provider: address, token: address) -> IComputeEscrow.Bucket:
    """
    @notice A payer's money at a provider.
    """
    return buckets._bucket(payer, provider, token)


@external
@view
def delegation(payer: address, key: address) -> IComputeEscrow.Delegation:
    """
    @notice What a key may sign for a payer.
    """
    return delegates._delegation(payer, key)


@external
@view
def refunded_of(batch: uint256, index: uint256) -> uint256:
    """
    @notice What an item has given back.
    """
    return batch_book.refunded[batch][index]


@external
@view
def wei_of(token: address, amount: uint256) -> uint256:
    """
    @notice Wei of stake that an amount stands for, rounded up; 0 for a token never listed.
    """
    return token_list._value(token_list._rate(token), amount)


@external
@view
def domain_separator() -> bytes32:
    """
    @notice EIP-712 domain of vouchers, receipts and releases.
    """
    return vouchers._domain(self)


@external
@view
def voucher_digest(voucher: IComputeEscrow.Voucher) -> bytes32:
    """
    @notice What a payer or delegate signs.
    """
    return vouchers._digest(vouchers._domain(self), voucher)
