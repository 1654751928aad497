# pragma version 0.4.3
"""
@title What an account answers about keys and signatures
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a key is valid here only while the account may act, and counts for no more than its session says.
@dev Open while a call of the account runs: the called ask on the way.
"""
from ..interfaces import IAgentAccount
from . import account_standing
from . import bound_token
from . import nested_signatures
from . import sessions

uses: account_standing
uses: sessions

VALID_SIGNER: constant(bytes4) = method_id("isValidSigner(address,bytes)", output_type=bytes4)
VALID_SIGNATURE: constant(bytes4) = method_id("isValidSignature(bytes32,bytes)", output_type=bytes4)
INVALID: constant(bytes4) = 0xffffffff
ERC7739_ASKED: constant(bytes32) = 0x7739773977397739773977397739773977397739773977397739773977397739
ERC7739_FIRST: constant(bytes4) = 0x77390001


@external
@view
def isValidSigner(signer: address, context: Bytes[1_024]) -> bytes4:
    """
    @notice Whether a key may act for the account now, within its limits.
    """
    if not account_standing._may_act():
        return empty(bytes4)
    is_owner: bool = signer != empty(address) and signer == bound_token._owner()
    if is_owner or sessions._is_live_key(signer, bound_token._epoch()[0]):
        return VALID_SIGNER
    return empty(bytes4)


@external
@view
def isValidSignature(hash: bytes32, signature: Bytes[nested_signatures.MAX_SIGNATURE]) -> bytes4:
    """
    @notice Whether the owner, or a session under a domain of its list, has signed for this very account (ERC-7739).
    """
    if hash == ERC7739_ASKED and len(signature) == 0:
        return ERC7739_FIRST
    if not account_standing._may_act():
        return INVALID
    epoch: uint256 = bound_token._epoch()[0]
    signed: nested_signatures.Signed = nested_signatures._unnest(hash, signature, epoch)
    owner: address = bound_token._owner()
    signer: address = nested_signatures._signer(signed.digest, signed.signature)
    is_good: bool = False
    if signer != empty(address):
        is_good = signer == owner or self._may_sign(signer, epoch, signed.domain)
    if not is_good and owner.is_contract:
        is_good = nested_signatures._is_vouched(owner, signed.digest, signed.signature)
    return VALID_SIGNATURE if is_good else INVALID


@external
@view
def eip712Domain() -> (bytes1, String[19], String[1], uint256, address, bytes32, DynArray[uint256, 1]):
    """
    @notice What signatures for the account nest in (ERC-5267); the salt is the token's epoch.
    """
    epoch: bytes32 = convert(bound_token._epoch()[0], bytes32)
    return 0x1f, nested_signatures.NAME, nested_signatures.VERSION, chain.id, self, epoch, []


@external
@view
def voucher_epoch() -> (uint256, uint256):
    """
    @notice What ComputeEscrow binds delegates to: the token's epoch and its beginning. While the token is locked the next
            one, begun now: delegates fund nothing, and what they have signed still settles.
    """
    epoch: uint256 = 0
    since: uint256 = 0
    epoch, since = bound_token._epoch()
    if bound_token._is_locked():
        return epoch + 1, block.timestamp
    return epoch, since


@external
@view
def session(key: address) -> IAgentAccount.Session:
    """
    @notice A key's session; all zero when it has none.
    """
    terms: uint256 = sessions.terms[sessions.numbers[key]]
    return IAgentAccount.Session(
        epoch=convert(terms & sessions.LOW_64, uint64),
        valid_from=convert((terms >> 64) & sessions.LOW_64, uint64),
        valid_until=convert((terms >> 128) & sessions.LOW_64, uint64),
        calls_left=convert(terms >> 224, uint32),
        is_live=account_standing._may_act() and sessions._is_live_key(key, bound_token._epoch()[0]),
    )


@external
@view
def allowances(key: address) -> DynArray[IAgentAccount.Allowance, sessions.MAX_CAPS]:
    """
    @notice Caps of a key's session, and what it has spent of them.
    """
    return sessions._allowances(key)


@external
@view
def may_call(key: address, target: address, selector: bytes4) -> bool:
    """
    @notice Whether a key's session lists a function of a target.
    """
    return sessions._may_call(sessions.numbers[key], target, selector)


@external
@view
def may_sign(key: address, domain: bytes32) -> bool:
    """
    @notice Whether a key signs for the account under a domain now.
    """
    return account_standing._may_act() and self._may_sign(key, bound_token._epoch()[0], domain)


@internal
@view
def _may_sign(key: address, epoch: uint256, domain: bytes32) -> bool:
    if domain == empty(bytes32) or not sessions._is_live_key(key, epoch):
        return False
    return sessions.domains[sessions.numbers[key]][domain]
