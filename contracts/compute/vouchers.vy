# pragma version 0.4.3
"""
@title What payers and providers sign
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a signature counts for one chain, one escrow and one account, in its one canonical form.
@dev Receipts are signed under the same domain; ReceiptCourt reads them. A refused signature answers the zero address
     and never reverts, because a batch goes on without it: hence not snekmate's ecdsa, which reverts on a high s and
     on a zero address; both are refused here.
"""
from ..interfaces import IComputeEscrow
from ..shared import typed_data

NAME: constant(bytes32) = keccak256("Apogee ComputeEscrow")
VERSION: constant(bytes32) = keccak256("1")
VOUCHER_TYPE: constant(bytes32) = keccak256(
    "Voucher(address payer,address provider,bytes32 service,uint32 priceVersion,address token,uint96 cumulative,uint96 cap,uint64 expiry,uint64 nonce)"
)
RELEASE_TYPE: constant(bytes32) = keccak256(
    "Release(address payer,address provider,address token,uint96 amount,uint64 nonce)"
)
IS_VALID_SIGNATURE: constant(bytes4) = method_id("isValidSignature(bytes32,bytes)", output_type=bytes4)  # EIP-1271
MAX_SIGNATURE: constant(uint256) = 1_024  # bytes
VOUCH_GAS: constant(uint256) = 200_000  # a payer's contract may burn
HALF_ORDER: constant(uint256) = (
    57_896_044_618_658_097_711_785_492_504_343_953_926_418_782_139_537_452_191_302_581_570_759_080_747_168
)  # of secp256k1
LOW_255: constant(uint256) = 2**255 - 1


@internal
@view
def _domain(escrow: address) -> bytes32:
    return typed_data._domain(NAME, VERSION, escrow)


@internal
@pure
def _digest(domain: bytes32, voucher: IComputeEscrow.Voucher) -> bytes32:
    return typed_data._digest(domain, keccak256(abi_encode(VOUCHER_TYPE, voucher)))


@internal
@pure
def _release_digest(
    domain: bytes32, payer: address, provider: address, token: address, amount: uint96, nonce: uint256
) -> bytes32:
    return typed_data._digest(domain, keccak256(abi_encode(RELEASE_TYPE, payer, provider, token, amount, nonce)))


@internal
@pure
def _signer(digest: bytes32, r: bytes32, vs: bytes32) -> address:
    """
    @dev EIP-2098; zero for no signer and for a high s.
    """
    word: uint256 = convert(vs, uint256)
    s: uint256 = word & LOW_255
    if s > HALF_ORDER:
        return empty(address)
    return ecrecover(digest, (word >> 255) + 27, convert(r, uint256), s)


@internal
@view
def _is_vouched(account: address, digest: bytes32, signature: Bytes[MAX_SIGNATURE]) -> bool:
    """
    @dev Whether a contract account says that the signature is its own.
    """
    success: bool = False
    answer: Bytes[33] = b""
    success, answer = raw_call(
        account,
        abi_encode(digest, signature, method_id=IS_VALID_SIGNATURE),
        max_outsize=33,  # one more, so that a longer answer shows
        gas=VOUCH_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    if not success or len(answer) != 32:
        return False
    return convert(slice(answer, 0, 32), bytes32) == convert(IS_VALID_SIGNATURE, bytes32)
