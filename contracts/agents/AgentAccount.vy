# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title A wallet that belongs to a token
@license AGPL-3.0-only
@author Apogee
@notice What runs behind the ERC-6551 proxy of an agent. Who owns the token acts; keys that he lets in act within their
        limits until the token moves. Invariant: nothing is spent, signed or changed while the token is locked.
@custom:kill The owner: `set_paused` stops signing and spending, `end_sessions` ends all keys. Nobody else.
@custom:security A right that the owner gives elsewhere, such as a token's approval or a delegate of ComputeEscrow, is
                 not a session: it does not end with one, nor with the sale, unless the other contract asks
                 `voucher_epoch`. What happens inside a listed target is the target's. Made for collections that tell
                 epochs and locks.
"""
from ethereum.ercs import IERC20
from ..interfaces import IAgentAccount
from . import account_standing
from . import account_views
from . import bound_token
from . import memory_stream
from . import sessions

implements: IAgentAccount
initializes: memory_stream
initializes: sessions
initializes: account_standing[memory_stream := memory_stream]
initializes: account_views[account_standing := account_standing, sessions := sessions]
exports: (
    bound_token.__default__,
    bound_token.token,
    bound_token.owner,
    bound_token.onERC721Received,
    bound_token.onERC1155Received,
    bound_token.onERC1155BatchReceived,
)
exports: (account_standing.state, account_standing.is_paused)
exports: (
    account_views.isValidSigner,
    account_views.isValidSignature,
    account_views.eip712Domain,
    account_views.voucher_epoch,
    account_views.session,
    account_views.allowances,
    account_views.may_call,
    account_views.may_sign,
)
exports: (memory_stream.memory, sessions.generation)

CALL: constant(uint8) = 0
PLAIN: constant(bytes4) = 0xeeeeeeee  # coin without calldata, in a session's list
TRANSFER: constant(bytes4) = method_id("transfer(address,uint256)", output_type=bytes4)
INTERFACES: constant(bytes4[5]) = [
    0x01ffc9a7,  # ERC-165
    0x6faff5f1,  # ERC-6551 account
    0x51945447,  # ERC-6551 executable
    0x150b7a02,  # ERC-721 receiver
    0x4e2312e0,  # ERC-1155 receiver
]
MAX_KEPT: constant(uint256) = 4
MAX_PAYLOAD: constant(uint256) = 8_192
MAX_ANSWER: constant(uint256) = 2_048

KEPT: immutable(DynArray[address, MAX_KEPT])  # contracts that no session calls


@deploy
def __init__(streams: address, kept: DynArray[address, MAX_KEPT]):
    """
    @param streams KVStreams, where agents remember.
    @param kept Contracts that no session may ever call.
    """
    memory_stream.__init__(streams)
    KEPT = kept


# --- OWNER OR SESSION


@external
@payable
def execute(to: address, amount: uint256, payload: Bytes[MAX_PAYLOAD], operation: uint8) -> Bytes[MAX_ANSWER]:
    """
    @notice Make a call as the account.
    @param amount Wei to send along.
    @param operation 0, a call: code of others never runs in the account's place.
    @return The first 2,048 bytes of the answer.
    """
    assert operation == CALL, "agent_account: only calls"
    assert to != self, "agent_account: not itself"
    assert not account_standing.is_paused, "agent_account: paused"
    epoch: uint256 = account_standing._begin()
    selector: bytes4 = empty(bytes4)
    if len(payload) >= 4:
        selector = convert(slice(payload, 0, 4), bytes4)
    elif len(payload) == 0:
        selector = PLAIN

    log IAgentAccount.Executed(by=msg.sender, target=to, selector=selector, amount=amount, state=account_standing.acts)
    if msg.sender == bound_token._owner():
        return raw_call(to, payload, value=amount, max_outsize=MAX_ANSWER)
    number: uint256 = sessions._use(msg.sender, epoch, to, selector)
    return self._call_within(number, to, amount, payload, selector)


# --- OWNER


@external
def grant(key: address, grant: IAgentAccount.Grant):
    """
    @notice Let a key act for the account within limits, until the token moves. Replaces what the key had.
    """
    epoch: uint256 = account_standing._begin_owners()
    assert key != empty(address) and key != self and key != msg.sender, "agent_account: no key"
    for one: IAgentAccount.Target in grant.targets:
        assert one.target != empty(address) and one.target != self, "agent_account: not a target"
        assert one.target not in KEPT, "agent_account: not a target"

    sessions._grant(key, epoch, grant)
    log IAgentAccount.SessionGranted(key=key, epoch=epoch, grant=grant)


@external
def revoke(key: address):
    """
    @notice End a key's session.
    """
    account_standing._begin_owners()
    sessions._revoke(key)

    log IAgentAccount.SessionRevoked(key=key)


@external
def end_sessions():
    """
    @notice End every session.
    """
    account_standing._begin_owners()
    generation: uint256 = sessions._end_all()

    log IAgentAccount.SessionsEnded(generation=generation)


@external
def set_paused(is_paused: bool):
    """
    @notice Have nothing signed or spent, by the owner neither; or go on.
    """
    account_standing._begin_owners()
    account_standing._set_paused(is_paused)

    log IAgentAccount.PausedSet(is_paused=is_paused)


@external
def return_funds(token: address, amount: uint256):
    """
    @notice Send coin or a token to the owner, paused or not.
    """
    account_standing._begin_owners()

    log IAgentAccount.Returned(owner=msg.sender, token=token, amount=amount)
    if token == empty(address):
        success: bool = raw_call(msg.sender, b"", value=amount, revert_on_failure=False)
        assert success, "agent_account: owner refused"
    else:
        assert extcall IERC20(token).transfer(
            msg.sender, amount, default_return_value=True
        ), "agent_account: token refused"


# --- PERMISSIONLESS


@external
def follow() -> bool:
    """
    @notice End every right to write the memory that was given before the token's present epoch. Each act of the owner
            does it first.
    @return Whether there was a stream to follow with.
    """
    return memory_stream._follow(bound_token._epoch()[0])


# --- VIEWS


@external
@view
@reentrant
def supportsInterface(interfaceId: bytes4) -> bool:
    """
    @notice ERC-165, ERC-6551 and the receivers of tokens.
    """
    return interfaceId in INTERFACES


# --- INTERNAL


@internal
def _call_within(
    number: uint256, to: address, amount: uint256, payload: Bytes[MAX_PAYLOAD], selector: bytes4
) -> Bytes[MAX_ANSWER]:
    """
    @dev What a token is asked to move counts even where others pay the account in the same call.
    """
    sessions._spend(number, empty(address), amount)
    tokens: DynArray[address, sessions.MAX_CAPS] = sessions._capped(number)
    before: DynArray[uint256, sessions.MAX_CAPS] = []
    for token: address in tokens:
        before.append(self._balance(token))
    answer: Bytes[MAX_ANSWER] = raw_call(to, payload, value=amount, max_outsize=MAX_ANSWER)
    place: uint256 = 0
    for token: address in tokens:
        after: uint256 = self._balance(token)
        left: uint256 = before[place] - min(after, before[place])
        if token == to and selector == TRANSFER and len(payload) >= 68:
            left = max(left, convert(slice(payload, 36, 32), uint256))
        sessions._spend(number, token, left)
        place += 1
    return answer


@internal
@view
def _balance(token: address) -> uint256:
    """
    @dev Coin counts as sent.
    """
    if token == empty(address):
        return 0
    return staticcall IERC20(token).balanceOf(self)
