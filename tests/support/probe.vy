# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title A contract with one of everything a client must read, send and have refused
@license AGPL-3.0-only
"""

struct Point:
    x: uint256
    y: int128


struct Figure:
    owner: address
    corners: DynArray[Point, 4]
    label: String[16]
    digest: bytes32


event Bumped:
    who: indexed(address)
    key: indexed(bytes32)
    count: uint256
    note: String[16]


count: public(uint256)
effects: public(HashMap[bytes32, uint256])
figure: Figure


@deploy
def __init__(start: uint256):
    self.count = start


@external
@payable
def bump(key: bytes32):
    self._bump(key)


@external
def bump_below(key: bytes32, limit: uint256):
    assert self.count < limit, "probe: too late"

    self._bump(key)


@external
def draw(figure: Figure):
    assert len(figure.corners) > 0, "probe: no corners"

    self.figure = figure


@external
def refuse(kind: uint256):
    if kind == 0:
        raise "probe: not allowed"
    if kind == 1:
        raise
    if kind == 2:
        raw_revert(abi_encode(convert(17, uint256), method_id=method_id("Panic(uint256)")))
    if kind == 3:
        raw_revert(abi_encode(convert(7, uint256), method_id=method_id("Stranger(uint256)")))


@external
def add(a: uint256, b: uint256 = 10):
    self.count += a + b


@external
@view
def shown() -> Figure:
    return self.figure


@external
@view
def pair(x: uint256) -> (uint256, address):
    assert x < 100, "probe: x too large"

    return x + self.count, msg.sender


@internal
def _bump(key: bytes32):
    self.count += 1
    self.effects[key] += 1

    log Bumped(who=msg.sender, key=key, count=self.count, note="bumped")
