# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What sellers and buyers of agents sign
@license AGPL-3.0-only
@author Apogee
@notice Invariant: an order or offer serves once, for one chain, one market and one collection, as it was signed, and not
        after its signer cancelled its nonce.
@dev A signer that has code may answer by ERC-1271; one with a key and code (EIP-7702) signs either way.
"""
from ..interfaces import IAgentMarket
from ..shared import constants as C
from ..shared import typed_data


event NonceCancelled:
    account: indexed(address)
    nonce: uint256


NAME: constant(bytes32) = keccak256("Apogee AgentMarket")
VERSION: constant(bytes32) = keccak256("1")
ORDER_TYPE: constant(bytes32) = keccak256(
    "SellOrder(address seller,address collection,uint256 token,uint8 kind,uint96 price,uint96 endPrice,address currency,bytes32 dataRoot,address account,uint256 accountState,uint16 royaltyMax,uint16 minStep,uint64 start,uint64 end,uint256 nonce,address taker)"
)
OFFER_TYPE: constant(bytes32) = keccak256(
    "Offer(address buyer,address collection,uint256 token,uint96 price,address currency,bytes32 dataRoot,address account,uint256 accountState,bytes32 keyHash,uint64 expiry,uint256 nonce)"
)
FIXED: constant(uint8) = 1
DUTCH: constant(uint8) = 2
ENGLISH: constant(uint8) = 3
LEAST_STEP: constant(uint256) = 500  # ten-thousandths
MAX_AUCTION: constant(uint256) = 30 * 24 * 60 * 60  # seconds that bids may lie before extensions
IS_VALID_SIGNATURE: constant(bytes4) = method_id("isValidSignature(bytes32,bytes)", output_type=bytes4)  # ERC-1271
MAX_SIGNATURE: constant(uint256) = 1_024  # bytes
VOUCH_GAS: constant(uint256) = 200_000  # a signer's contract may burn
HALF_ORDER: constant(uint256) = (
    57_896_044_618_658_097_711_785_492_504_343_953_926_418_782_139_537_452_191_302_581_570_759_080_747_168
)  # of secp256k1

used: HashMap[address, HashMap[uint256, uint256]]  # signer -> nonce // 256 -> bits


# --- SIGNERS


@external
def cancel(nonce: uint256):
    """
    @notice Make whatever the caller has signed or will sign with this nonce worthless, unless it has served.
    """
    self._use(msg.sender, nonce)
    log NonceCancelled(account=msg.sender, nonce=nonce)


# --- VIEWS


@external
@view
@reentrant
def is_used(account: address, nonce: uint256) -> bool:
    """
    @notice Whether a nonce has served or was cancelled.
    """
    return self.used[account][nonce >> 8] >> (nonce & 255) & 1 == 1


@external
@view
@reentrant
def domain_separator() -> bytes32:
    """
    @notice The EIP-712 domain of this market on this chain.
    """
    return self._domain()


@external
@view
@reentrant
def order_digest(order: IAgentMarket.SellOrder) -> bytes32:
    """
    @notice What a seller signs.
    """
    return self._order_digest(order)


@external
@view
@reentrant
def offer_digest(offer: IAgentMarket.Offer) -> bytes32:
    """
    @notice What a buyer signs.
    """
    return self._offer_digest(offer)


# --- INTERNAL


@internal
@view
def _domain() -> bytes32:
    return typed_data._domain(NAME, VERSION, self)


@internal
@view
def _order_digest(order: IAgentMarket.SellOrder) -> bytes32:
    return typed_data._digest(self._domain(), keccak256(abi_encode(ORDER_TYPE, order)))


@internal
@view
def _offer_digest(offer: IAgentMarket.Offer) -> bytes32:
    return typed_data._digest(self._domain(), keccak256(abi_encode(OFFER_TYPE, offer)))


@internal
@pure
def _check_buyer(order: IAgentMarket.SellOrder, buyer: address):
    assert order.taker == empty(address) or order.taker == buyer, "orders: for another buyer"
    assert order.seller != buyer, "orders: own order"


@internal
@view
def _check_order(order: IAgentMarket.SellOrder, collection: address, buyer: address):
    """
    @dev All but signature and nonce.
    """
    assert order.collection == collection, "orders: another collection"
    self._check_buyer(order, buyer)
    assert block.timestamp >= convert(order.start, uint256), "orders: not yet"
    assert block.timestamp <= convert(order.end, uint256), "orders: expired"
    step: uint256 = convert(order.min_step, uint256)
    if order.kind == ENGLISH:
        is_in_range: bool = step >= LEAST_STEP and step <= C.BPS
        assert is_in_range and order.end_price == order.price, "orders: malformed"
        assert convert(order.end - order.start, uint256) <= MAX_AUCTION, "orders: malformed"
        return
    assert order.kind == FIXED or order.kind == DUTCH, "orders: unknown kind"
    is_priced: bool = order.end_price == order.price
    if order.kind == DUTCH:
        is_priced = order.end_price <= order.price and order.end > order.start
    assert is_priced and step == 0, "orders: malformed"


@internal
@view
def _check_offer(offer: IAgentMarket.Offer, collection: address, token: uint256):
    """
    @dev All but signature, nonce and what is sold.
    """
    assert offer.collection == collection, "orders: another collection"
    assert block.timestamp <= convert(offer.expiry, uint256), "orders: expired"
    if offer.token == 0:
        is_open: bool = offer.data_root == empty(bytes32) and offer.account == empty(address)
        assert is_open, "orders: malformed"
    else:
        assert offer.token == token, "orders: another token"


@internal
@view
def _price(order: IAgentMarket.SellOrder) -> uint256:
    """
    @dev Of a checked order now; a Dutch auction's falls along a line, in whole units rounded up.
    """
    price: uint256 = convert(order.price, uint256)
    if order.kind != DUTCH:
        return price
    fall: uint256 = price - convert(order.end_price, uint256)
    passed: uint256 = block.timestamp - convert(order.start, uint256)
    return price - fall * passed // convert(order.end - order.start, uint256)


@internal
def _use(account: address, nonce: uint256):
    word: uint256 = self.used[account][nonce >> 8]
    bit: uint256 = 1 << (nonce & 255)
    assert word & bit == 0, "orders: nonce used"
    self.used[account][nonce >> 8] = word | bit


@internal
@view
def _check_signed(account: address, digest: bytes32, signature: Bytes[MAX_SIGNATURE]):
    is_signed: bool = self._is_recovered(account, digest, signature)
    if not is_signed and account.is_contract:
        is_signed = self._is_vouched(account, digest, signature)
    assert is_signed, "orders: not signed"


@internal
@view
def _is_recovered(account: address, digest: bytes32, signature: Bytes[MAX_SIGNATURE]) -> bool:
    """
    @dev Whether 65 bytes r, s, v are the account's own; a high s is nobody's.
    """
    if len(signature) != 65 or account == empty(address):
        return False
    s: uint256 = convert(slice(signature, 32, 32), uint256)
    if s > HALF_ORDER:
        return False
    v: uint256 = convert(slice(signature, 64, 1), uint256)
    return ecrecover(digest, v, convert(slice(signature, 0, 32), uint256), s) == account


@internal
@view
def _is_vouched(account: address, digest: bytes32, signature: Bytes[MAX_SIGNATURE]) -> bool:
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
