# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What is sold: a token, its data, its wallet
@license AGPL-3.0-only
@author Apogee
@notice Invariant: nothing is sold that is not, in the moment that it is locked, as both sides have signed it.
@dev What a wallet or a token's state says may cost somebody his bond: no answer, a late one and one that burns all gas it
     gets count as a change.
"""
from ..interfaces import IAgentMarket
from ..interfaces import IAgentNFT
from ..interfaces import IKeyDeliveryVerifier
from ..shared import constants as C

STATE_GAS: constant(uint256) = 100_000  # a wallet that a seller names may burn

NFT: public(immutable(address))
VERIFIER: public(immutable(address))


@deploy
def __init__(nft: address):
    assert nft.is_contract, "goods: no contract"

    NFT = nft
    VERIFIER = staticcall IAgentNFT(nft).verifier()


@internal
@view
def _check_goods(
    sale: IAgentMarket.Sale, data_root: bytes32, account: address, account_state: uint256
):
    missing: String[32] = self._missing(sale, data_root, account, account_state)
    assert missing == "", missing


@internal
@view
def _missing(
    sale: IAgentMarket.Sale, data_root: bytes32, account: address, account_state: uint256
) -> String[32]:
    """
    @dev What is not as it was signed; empty: nothing.
    """
    if staticcall IAgentNFT(NFT).ownerOf(sale.token) != sale.seller:
        return "goods: not the owner's"
    if staticcall IAgentNFT(NFT).data_root(sale.token) != data_root:
        return "goods: data changed"
    if account != empty(address) and not self._is_in_state(account, account_state):
        return "goods: wallet changed"
    if self._royalty(sale)[1] > sale.price * sale.royalty_max // C.BPS:
        return "goods: royalty too high"
    return ""


@internal
@view
def _is_in_state(account: address, state: uint256) -> bool:
    """
    @dev A wallet that nobody has made yet has state 0.
    """
    if not account.is_contract:
        return state == 0
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        account,
        method_id("state()"),
        max_outsize=32,
        gas=STATE_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    return success and len(answer) == 32 and convert(answer, uint256) == state


@internal
@view
def _is_held(sale: IAgentMarket.Sale) -> bool:
    """
    @dev Whether the token is still locked for this very sale: a later lock ends later.
    """
    locker: address = empty(address)
    until: uint256 = 0
    locker, until = staticcall IAgentNFT(NFT).lock_of(sale.token)
    return locker == self and until == sale.lock_until


@internal
@view
def _is_false(digests: DynArray[bytes32, 4]) -> bool:
    for digest: bytes32 in digests:
        if staticcall IKeyDeliveryVerifier(VERIFIER).is_false(digest):
            return True
    return False


@internal
@view
def _royalty(sale: IAgentMarket.Sale) -> (address, uint256):
    return staticcall IAgentNFT(NFT).royaltyInfo(sale.token, sale.price)


@internal
def _is_lockable(token: uint256, end: uint256) -> bool:
    """
    @dev Lock a token unless AgentNFT refuses. Too little gas for this call is too little for what follows its failure.
    """
    return raw_call(
        NFT,
        abi_encode(token, end, method_id=method_id("lock(uint256,uint256)")),
        revert_on_failure=False,
    )
