# pragma version 0.4.3
"""
@title Pools: tranches, shares and the weight they give
@license AGPL-3.0-only
@author Apogee
@notice Invariant: a pool weighs min(stake, 5 x own) while active with MIN_STAKE, else 0, and the registry holds that
        weight unless the pool is marked untold; `untold` counts the marks.
@dev A pool's head word is its own newest checkpoint, a delegator's position likewise; older ones are in `checkpoints`.
     Packed by hand: Vyper gives every struct field a slot.
"""
from ..interfaces import IOperatorRegistry
from ..interfaces import IStakeManager
from ..shared import checkpoints
from ..shared import constants as C

uses: checkpoints

ABSENT: constant(uint256) = 0
ACTIVE: constant(uint256) = 1
JAILED: constant(uint256) = 2
EXITING: constant(uint256) = 3  # lost its seat
TOMBSTONED: constant(uint256) = 4

MAX_LEVERAGE: constant(uint256) = 5  # weight per own wei
MAX_TRANCHE: constant(uint256) = 2**91  # wei, 2.4 billion coins; keeps every packed sum inside its field
PRICE_ONE: constant(uint256) = 2**127
LOW_16: constant(uint256) = 2**16 - 1
LOW_32: constant(uint256) = 2**32 - 1
LOW_64: constant(uint256) = 2**64 - 1
AMOUNT: constant(uint256) = 2**108 - 1
LOW_112: constant(uint256) = 2**112 - 1
SHARES: constant(uint256) = 2**128 - 1
PRICE_KEY: constant(uint256) = 2**255

REGISTRY: immutable(IOperatorRegistry)
MIN_STAKE_LONG: immutable(uint256)
MIN_STAKE_SHORT: immutable(uint256)


struct Pool:
    epoch: uint256
    own: uint256
    delegated: uint256
    shares: uint256
    generation: uint256
    count: uint256
    cases: uint256
    status: uint256


struct Position:
    epoch: uint256
    generation: uint256
    amount: uint256  # shares of a delegator; price of a pool
    count: uint256


heads: HashMap[uint256, uint256]  # pool -> epoch 32 | active 8 | own 108 | delegated 108
books: HashMap[uint256, uint256]  # pool -> shares 128 | generation 32 | checkpoints 32 | cases 16 | status 8 | untold 40
terms: HashMap[uint256, uint256]  # pool -> jailed until 64 | below MIN_STAKE since 64 | reserved 112
positions: HashMap[address, HashMap[uint256, uint256]]  # epoch 32 | generation 32 | shares 128 | checkpoints 32
prices: HashMap[uint256, uint256]  # pool -> epoch 32 | generation 32 | price 128 | checkpoints 32; 0 before
untold: HashMap[uint256, uint256]  # service -> pools that weigh less than the tree says, until `reweigh`


@deploy
def __init__(registry: address, min_stake_long: uint256, min_stake_short: uint256):
    REGISTRY = IOperatorRegistry(registry)
    MIN_STAKE_LONG = min_stake_long
    MIN_STAKE_SHORT = min_stake_short


@internal
@view
def _load(pool: uint256) -> Pool:
    head: uint256 = self.heads[pool]
    book: uint256 = self.books[pool]
    return Pool(
        epoch=head >> 224,
        own=(head >> 108) & AMOUNT,
        delegated=head & AMOUNT,
        shares=book >> 128,
        generation=(book >> 96) & LOW_32,
        count=(book >> 64) & LOW_32,
        cases=(book >> 48) & LOW_16,
        status=(book >> 40) & 255,
    )


@internal
def _save(pool: uint256, state: Pool, epoch: uint256):
    """
    @dev Write a pool and tell the registry what it does not know yet.
    """
    if self._write(pool, state, epoch) or self._is_untold(pool):
        self._tell(pool, epoch)


@internal
def _save_untold(pool: uint256, state: Pool, epoch: uint256):
    """
    @dev Write a pool, and leave the tree to `reweigh`: a report pays for the slash, not for the service's tree.
    """
    if self._write(pool, state, epoch) and not self._is_untold(pool):
        self.books[pool] |= 1
        self.untold[pool & 255] += 1


@internal
def _tell(pool: uint256, epoch: uint256):
    if self._is_untold(pool):
        self.books[pool] -= 1
        self.untold[pool & 255] -= 1
    head: uint256 = self.heads[pool]
    weight: uint256 = self._weight(head, self._min_stake(pool & 255))
    extcall REGISTRY.set_weight(pool, epoch, self._stake(head) if weight > 0 else 0, weight)


@internal
def _write(pool: uint256, state: Pool, epoch: uint256) -> bool:
    """
    @dev Write both words of a pool and keep the head that was in force; returns whether the tree must hear of it.
    """
    former: uint256 = self.heads[pool]
    count: uint256 = checkpoints._keep(convert(pool, bytes32), former, state.count, epoch)
    active: uint256 = 1 if state.status == ACTIVE else 0
    head: uint256 = epoch << 224 | active << 216 | state.own << 108 | state.delegated
    self.heads[pool] = head
    self.books[pool] = (
        state.shares << 128 | state.generation << 96 | count << 64 | state.cases << 48 | state.status << 40
        | self.books[pool] & 1
    )

    min_stake: uint256 = self._min_stake(pool & 255)
    former_stake: uint256 = self._stake(former)
    stake: uint256 = self._stake(head)
    if (former_stake < min_stake) != (stake < min_stake):
        below_since: uint256 = block.timestamp if stake < min_stake else 0
        word: uint256 = self.terms[pool]
        self.terms[pool] = (word >> 192) << 192 | below_since << 128 | (word & LOW_112)
    weight: uint256 = self._weight(head, min_stake)
    return self._weight(former, min_stake) != weight or (weight > 0 and former_stake != stake)


@internal
def _save_status(pool: uint256, status: uint256, epoch: uint256, is_untold: bool):
    state: Pool = self._load(pool)
    state.status = status
    if is_untold:
        self._save_untold(pool, state, epoch)
    else:
        self._save(pool, state, epoch)


@internal
def _set_cases(pool: uint256, cases: uint256):
    word: uint256 = self.books[pool]
    self.books[pool] = word & ~(LOW_16 << 48) | cases << 48
    log IStakeManager.CasesChanged(pool=pool, open_cases=cases)


@internal
def _set_reserved(pool: uint256, reserved: uint256):
    word: uint256 = self.terms[pool]
    self.terms[pool] = (word >> 112) << 112 | reserved
    log IStakeManager.Reserved(pool=pool, reserved=reserved)


@internal
def _jail_until(pool: uint256, until: uint256):
    """
    @dev The sentence has the highest bits, so the longer one is the larger word.
    """
    word: uint256 = self.terms[pool]
    self.terms[pool] = max(word, until << 192 | (word & (2**192 - 1)))


@internal
def _save_position(account: address, pool: uint256, position: Position, epoch: uint256):
    former: uint256 = self.positions[account][pool]
    key: bytes32 = keccak256(abi_encode(account, pool))
    count: uint256 = checkpoints._keep(key, former, position.count, epoch)
    self.positions[account][pool] = self._pack(epoch, position.generation, position.amount, count)


@internal
def _save_price(pool: uint256, state: Pool, epoch: uint256):
    """
    @dev Only a slash or a closed generation moves the price on record; rounding of deposits and exits may lift the true
         one by less than a wei, so votes counted at the recorded price never exceed the stake.
    """
    former: Position = self._unpack(self.prices[pool])
    count: uint256 = checkpoints._keep(
        convert(pool | PRICE_KEY, bytes32), self.prices[pool], former.count, epoch
    )
    price: uint256 = PRICE_ONE
    if state.shares > 0:
        price = state.delegated * PRICE_ONE // state.shares
    self.prices[pool] = self._pack(epoch, state.generation, price, count)


@internal
@view
def _is_untold(pool: uint256) -> bool:
    return self.books[pool] & 1 == 1


@internal
@view
def _is_owner(account: address, pool: uint256) -> bool:
    return staticcall REGISTRY.owner_of(pool >> 8) == account


@internal
@view
def _status(pool: uint256) -> uint256:
    return (self.books[pool] >> 40) & 255


@internal
@view
def _cases(pool: uint256) -> uint256:
    return (self.books[pool] >> 48) & LOW_16


@internal
@view
def _position(account: address, pool: uint256) -> Position:
    return self._unpack(self.positions[account][pool])


@internal
@view
def _head_at(pool: uint256, epoch: uint256) -> uint256:
    count: uint256 = (self.books[pool] >> 64) & LOW_32
    return checkpoints._at(convert(pool, bytes32), self.heads[pool], count, epoch)


@internal
@view
def _shares_value_at(account: address, pool: uint256, epoch: uint256) -> uint256:
    """
    @dev Wei of a delegator's shares, of the generation open at that epoch, at the price of that epoch.
    """
    word: uint256 = self.positions[account][pool]
    held: Position = self._unpack(
        checkpoints._at(keccak256(abi_encode(account, pool)), word, word & LOW_32, epoch)
    )
    word = self.prices[pool]
    word = checkpoints._at(convert(pool | PRICE_KEY, bytes32), word, word & LOW_32, epoch)
    price: Position = self._unpack(word)
    if word == 0:
        price.amount = PRICE_ONE
    if held.generation != price.generation:
        return 0
    return held.amount * price.amount // PRICE_ONE


@internal
@pure
def _stake(head: uint256) -> uint256:
    return ((head >> 108) & AMOUNT) + (head & AMOUNT)


@internal
@pure
def _weight(head: uint256, min_stake: uint256) -> uint256:
    stake: uint256 = self._stake(head)
    if (head >> 216) & 255 == 0 or stake < min_stake:
        return 0
    return min(stake, MAX_LEVERAGE * ((head >> 108) & AMOUNT))


@internal
@view
def _min_stake(service: uint256) -> uint256:
    return MIN_STAKE_LONG if self._is_long(service) else MIN_STAKE_SHORT


@internal
@pure
def _is_long(service: uint256) -> bool:
    """
    @dev Services whose evidence takes longest, so money stays longest and the least stake is highest.
    """
    return service == C.DA or service == C.RELAYER


@internal
@pure
def _pack(epoch: uint256, generation: uint256, amount: uint256, count: uint256) -> uint256:
    return epoch << 224 | generation << 192 | amount << 64 | count


@internal
@pure
def _unpack(word: uint256) -> Position:
    return Position(
        epoch=word >> 224,
        generation=(word >> 192) & LOW_32,
        amount=(word >> 64) & SHARES,
        count=word & LOW_32,
    )
