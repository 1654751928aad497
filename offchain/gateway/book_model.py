"""What the gateway's book is asked to write down, and what it answers; pure.

  lane      vouchers to one provider in one token: next nonce, what is acknowledged and held
  attempt   one request to one provider: (provider, token, nonce), OPEN until its receipt is here

`cumulative` of a voucher is what the lane has acknowledged, `cap` that and all holds in flight.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from offchain.core.errors import Rejected
from offchain.gateway.key_model import KeyRecord


class BucketLow(Rejected):
    """The gateway's deposit with this provider does not cover what is under way and this request.

    `short`: how much is missing, in base units of the token.
    """

    code = "compute.gateway_bucket_low"
    next_step = "Deposit at least `short`: `apogee compute deposit PROVIDER AMOUNT`."


class AttemptState(StrEnum):
    """How far an attempt is; DONE has a verified receipt, FAILED costs nothing."""

    OPEN = "open"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class LaneKey:
    """Whom the gateway pays, in which token."""

    provider: bytes
    token: bytes


@dataclass(frozen=True, slots=True)
class Lane:
    """Vouchers to one provider; amounts in base units."""

    next_nonce: int = 1
    acknowledged: int = 0
    held: int = 0

    def at_least(self, floor: "Floor") -> "Lane":
        """Not behind what the chain has settled."""
        return replace(
            self,
            next_nonce=max(self.next_nonce, floor.last_nonce + 1),
            acknowledged=max(self.acknowledged, floor.spent),
        )

    def open(self, hold: int, ceiling: int) -> "Lane":
        """With one more request in flight. Raises: BucketLow."""
        cap = self.acknowledged + self.held + hold
        if cap > ceiling:
            raise BucketLow(short=cap - ceiling, hold=hold, held=self.held)
        return replace(self, next_nonce=self.next_nonce + 1, held=self.held + hold)

    def close(self, hold: int, price: int) -> "Lane":
        """With a request over, and its price acknowledged."""
        assert 0 <= price <= hold <= self.held
        return replace(self, held=self.held - hold, acknowledged=self.acknowledged + price)

    def close_settled(self, hold: int, owed: int) -> "Lane":
        """With a request over that the chain has settled; `owed`: what it has, and all after it."""
        assert 0 <= hold <= self.held
        acknowledged = max(self.acknowledged, owed)
        return replace(self, held=self.held - hold, acknowledged=acknowledged)


@dataclass(frozen=True, slots=True)
class Floor:
    """What the chain says of the bucket: `spent`, `last_nonce`, and what it still covers."""

    spent: int = 0
    last_nonce: int = 0
    available: int = 0

    @property
    def ceiling(self) -> int:
        """No cap above this is covered."""
        return self.spent + self.available


@dataclass(frozen=True, slots=True)
class Allowance:
    """What the gateway's key may sign for, where it is a delegate: over all lanes of its token.

    `left`: of its cap, as the chain has it; `settled`: what of each lane the chain has settled.
    """

    left: int
    settled: Mapping[LaneKey, int]


@dataclass(frozen=True, slots=True)
class Open:
    """One request is about to go to one provider; `key` None is the home itself.

    `hold`: what it may cost at most; `allowance` None: the payer's own key signs.
    """

    lane: LaneKey
    floor: Floor
    hold: int
    service: bytes
    price_version: int
    expiry: int
    request_hash: bytes
    key: str | None = None
    allowance: Allowance | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """The numbers of its voucher."""

    lane: LaneKey
    nonce: int
    cumulative: int
    cap: int
    expiry: int


@dataclass(frozen=True, slots=True)
class Close:
    """An attempt is over: with the JSON of its verified receipt, or for nothing.

    `floor`: what the chain says by then; what it has settled is in the lane and is not added again.
    """

    lane: LaneKey
    nonce: int
    price: int = 0
    request_id: bytes | None = None
    receipt: str | None = None
    floor: Floor = Floor()


@dataclass(frozen=True, slots=True)
class Find:
    """Ask for a key by its digest."""

    digest: bytes


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt as it is written down."""

    lane: LaneKey
    nonce: int
    state: AttemptState
    key: str | None
    service: bytes
    price_version: int
    cumulative: int
    cap: int
    hold: int
    expiry: int
    request_hash: bytes
    opened_at: int
    price: int = 0
    request_id: bytes | None = None
    receipt: str | None = None


Place = tuple[LaneKey, int]  # lane and nonce of an attempt
Ask = Open | Close | Find
Told = Opened | KeyRecord | None
