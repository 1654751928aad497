# pragma version 0.4.3
"""
@title What a service asks, version by version
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a row never changes, applies from its time until the next one's, and is payable GRACE longer.
@dev Two slots a row: input u96 | output u96 << 96 | valid_from u64 << 192; request u96 | token << 96. A row retires when
     the next one becomes valid, and one row waits at a time.
"""
from ..interfaces import IServiceRegistry

LOW_96: constant(uint256) = 2**96 - 1

DELAY: immutable(uint256)  # seconds
GRACE: immutable(uint256)

prices: HashMap[bytes32, HashMap[uint256, uint256]]
extras: HashMap[bytes32, HashMap[uint256, uint256]]
latest: HashMap[bytes32, uint256]  # version; 0: none


@deploy
def __init__(delay: uint256, grace: uint256):
    assert delay > 0 and grace > 0, "price_rows: no window"

    DELAY = delay
    GRACE = grace


@internal
def _announce(
    service: bytes32, token: address, input_price: uint96, output_price: uint96, request_price: uint96
) -> uint32:
    latest: uint256 = self.latest[service]
    valid_from: uint256 = block.timestamp
    if latest != 0:
        assert self._valid_from(service, latest) <= block.timestamp, "price_rows: one is waiting"
        valid_from += DELAY
    version: uint256 = latest + 1

    self.prices[service][version] = (
        convert(input_price, uint256) | convert(output_price, uint256) << 96 | valid_from << 192
    )
    self.extras[service][version] = convert(request_price, uint256) | convert(token, uint256) << 96
    self.latest[service] = version
    log IServiceRegistry.PriceAnnounced(
        service=service, version=convert(version, uint32), row=self._row(service, version)
    )
    return convert(version, uint32)


@internal
@view
def _payable(service: bytes32, version: uint256) -> (bool, address):
    """
    @dev Whether a row may be settled now, and its token.
    """
    valid_from: uint256 = self._valid_from(service, version)
    if valid_from == 0 or block.timestamp < valid_from:
        return False, empty(address)
    retired_at: uint256 = self._valid_from(service, version + 1)
    is_payable: bool = retired_at == 0 or block.timestamp <= retired_at + GRACE
    return is_payable, self._token(service, version)


@internal
@view
def _current(service: bytes32) -> uint256:
    """
    @dev The version that applies now.
    """
    latest: uint256 = self.latest[service]
    if latest > 1 and self._valid_from(service, latest) > block.timestamp:
        return latest - 1
    return latest


@internal
@view
def _row(service: bytes32, version: uint256) -> IServiceRegistry.PriceRow:
    """
    @dev All zero when there is none.
    """
    price: uint256 = self.prices[service][version]
    return IServiceRegistry.PriceRow(
        input_price=convert(price & LOW_96, uint96),
        output_price=convert((price >> 96) & LOW_96, uint96),
        request_price=convert(self.extras[service][version] & LOW_96, uint96),
        token=self._token(service, version),
        valid_from=convert(price >> 192, uint64),
        retired_at=convert(self._valid_from(service, version + 1), uint64),
    )


@internal
@view
def _token(service: bytes32, version: uint256) -> address:
    return convert(convert(self.extras[service][version] >> 96, uint160), address)


@internal
@view
def _valid_from(service: bytes32, version: uint256) -> uint256:
    return self.prices[service][version] >> 192
