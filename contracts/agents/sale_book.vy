# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Sales of agents, and where each stands
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a sale goes AUCTION, LOCKED, DELIVERED, DISPUTED, in this order and perhaps leaving some out, to
        SETTLED or REFUNDED, and from there nowhere.
@dev Four words a sale, a fifth where it was bid for or delivered, a sixth for an auction's bond. Token ids count up from
     1: 80 bits hold them.
"""
from ..interfaces import IAgentMarket
from ..shared import constants as C

BOND_BPS: constant(uint256) = 100  # of the price, for sellers and objectors
LOW_8: constant(uint256) = 255
LOW_80: constant(uint256) = 2**80 - 1
LOW_40: constant(uint256) = 2**40 - 1
LOW_16: constant(uint256) = 2**16 - 1
LOW_96: constant(uint256) = 2**96 - 1
LOW_160: constant(uint256) = 2**160 - 1


struct Words:
    money: uint256  # buyer 160 | price 96, lowest first
    times: uint256  # seller 160 | until 40 | lock_until 40 | state 8 | whether `bond` is not the price's
    goods: uint256  # currency 160 | token 80 | royalty_max 16
    key_hash: bytes32
    seal: bytes32
    bond: uint256  # of an auction: of the price that its order asks, however high it goes


sale_count: reentrant(public(uint256))
sales: HashMap[uint256, Words]


@internal
@view
def _load(id: uint256) -> IAgentMarket.Sale:
    """
    @dev State empty when there is none.
    """
    money: uint256 = self.sales[id].money
    times: uint256 = self.sales[id].times
    goods: uint256 = self.sales[id].goods
    price: uint256 = money >> 160
    bond: uint256 = self._bond(price) if times >> 248 == 0 else self.sales[id].bond
    return IAgentMarket.Sale(
        state=convert(times >> 240 & LOW_8, IAgentMarket.SaleState),
        seller=self._low_address(times),
        buyer=self._low_address(money),
        token=goods >> 160 & LOW_80,
        currency=self._low_address(goods),
        price=price,
        bond=bond,
        royalty_max=goods >> 240,
        until=times >> 160 & LOW_40,
        lock_until=times >> 200 & LOW_40,
        key_hash=self.sales[id].key_hash,
        seal=self.sales[id].seal,
    )


@internal
@view
def _in_state(id: uint256, state: IAgentMarket.SaleState) -> IAgentMarket.Sale:
    """
    @dev A sale that is in this state, or in one of these.
    """
    sale: IAgentMarket.Sale = self._load(id)
    assert sale.state != empty(IAgentMarket.SaleState), "sale_book: no such sale"
    assert sale.state in state, "sale_book: another state"
    return sale


@internal
@pure
def _draft(
    order: IAgentMarket.SellOrder, buyer: address, price: uint256, key_hash: bytes32
) -> IAgentMarket.Sale:
    """
    @dev What a sale by this order would be; nothing is kept.
    """
    return IAgentMarket.Sale(
        state=empty(IAgentMarket.SaleState),
        seller=order.seller,
        buyer=buyer,
        token=order.token,
        currency=order.currency,
        price=price,
        bond=self._bond(price),
        royalty_max=convert(order.royalty_max, uint256),
        until=0,
        lock_until=0,
        key_hash=key_hash,
        seal=empty(bytes32),
    )


@internal
def _open(sale: IAgentMarket.Sale) -> uint256:
    """
    @dev A new sale's number.
    """
    id: uint256 = self.sale_count + 1
    self.sale_count = id
    self.sales[id].goods = (
        convert(sale.currency, uint256) | sale.token << 160 | sale.royalty_max << 240
    )
    self._bid(id, sale)
    if sale.seal != empty(bytes32):
        self.sales[id].seal = sale.seal
        self.sales[id].bond = sale.bond
    return id


@internal
def _bid(id: uint256, sale: IAgentMarket.Sale):
    """
    @dev Who buys, for what, with which key, until when.
    """
    self.sales[id].money = convert(sale.buyer, uint256) | sale.price << 160
    self.sales[id].key_hash = sale.key_hash
    self._move(id, sale)


@internal
def _move(id: uint256, sale: IAgentMarket.Sale):
    """
    @dev The state and its times.
    """
    self.sales[id].times = (
        convert(sale.seller, uint256)
        | sale.until << 160
        | sale.lock_until << 200
        | convert(sale.state, uint256) << 240
        | convert(sale.bond != self._bond(sale.price), uint256) << 248
    )


@internal
def _seal(id: uint256, digests: DynArray[bytes32, 4]):
    self.sales[id].seal = self._seal_of(digests)


@internal
@pure
def _check_seal(sale: IAgentMarket.Sale, digests: DynArray[bytes32, 4]):
    assert sale.seal == self._seal_of(digests), "sale_book: other digests"


@internal
@pure
def _bond(price: uint256) -> uint256:
    """
    @dev Rounded up: whoever sells for something has something to lose.
    """
    return (price * BOND_BPS + C.BPS - 1) // C.BPS


@internal
@pure
def _seal_of(digests: DynArray[bytes32, 4]) -> bytes32:
    return keccak256(abi_encode(digests))


@internal
@pure
def _low_address(word: uint256) -> address:
    return convert(convert(word & LOW_160, uint160), address)
