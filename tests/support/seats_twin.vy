# pragma version 0.4.3
"""
@title Seats as StorageMarket sees them, moved by a test
@license AGPL-3.0-only
@author Apogee
@notice Speaks what the market calls of StorageSeats, and calls the market as StorageSeats does. A receipt is no signature
        here but the hash of all that the market asks about, so a test sees what that was.
"""

interface Market:
    def open_group(
        group: uint256, profile: uint256, longest_epochs: uint256, max_rate: uint256, rate: uint256
    ): nonpayable
    def seat_changed(
        group: uint256, seat: uint256, operator_id: uint256, before: uint256, after: uint256
    ): nonpayable
    def shut_group(group: uint256): nonpayable


market: public(Market)
operators: public(HashMap[uint256, HashMap[uint256, uint256]])
prices: public(HashMap[uint256, HashMap[uint256, uint256]])
sizes: public(HashMap[uint256, uint256])


@external
def wire(market: address):
    self.market = Market(market)


@external
def open_group(
    group: uint256,
    profile: uint256,
    longest_epochs: uint256,
    max_rate: uint256,
    operators: DynArray[uint256, 48],
    prices: DynArray[uint256, 48],
):
    rate: uint256 = 0
    for seat: uint256 in range(len(prices), bound=48):
        self.operators[group][seat] = operators[seat]
        self.prices[group][seat] = prices[seat]
        rate += prices[seat]
    self.sizes[group] = len(prices)
    extcall self.market.open_group(group, profile, longest_epochs, max_rate, rate)


@external
def change(group: uint256, seat: uint256, operator_id: uint256, price: uint256):
    before: uint256 = self.prices[group][seat]
    earner: uint256 = self.operators[group][seat]
    self.operators[group][seat] = operator_id
    self.prices[group][seat] = price
    extcall self.market.seat_changed(group, seat, earner, before, price)


@external
def shut(group: uint256):
    extcall self.market.shut_group(group)


@external
@view
def paid_price(group: uint256, seat: uint256) -> (uint256, uint256):
    return self.operators[group][seat], self.prices[group][seat]


@external
@view
def check_quorum(
    group: uint256,
    absent: uint256,
    digest: bytes32,
    signature: Bytes[256],
    needed: uint256,
    absent_keys: Bytes[1_536],
) -> uint256:
    signed: uint256 = 0
    for seat: uint256 in range(self.sizes[group], bound=48):
        signed += 1 - ((absent >> seat) & 1)
    assert signed >= needed, "seats_twin: too few"
    shown: bytes32 = keccak256(abi_encode(group, absent, digest, needed, keccak256(absent_keys)))
    assert convert(slice(signature, 0, 32), bytes32) == shown, "seats_twin: wrong receipts"
    return signed
