"""What ServiceRegistry lets happen to one service: the model that the contract is held against.

Source: docs/protocol/compute.md#registry.
"""

from dataclasses import dataclass, field
from typing import Final

from offchain.compute.model import Level, Numerics, PriceRow, ServiceState
from offchain.compute.reverts_compute import (
    PriceWaiting,
    ServiceStateWrong,
    SignerUnchanged,
    StakeMissing,
)

MIN_CLEARED: Final = 30
TEE_LEVELS: Final = {1: Level.BROKER_IN_TEE, 2: Level.MODEL_IN_TEE}  # by measurement class
REPLAYED: Final = frozenset({Numerics.TORCH_FP32, Numerics.TORCH_BF16})  # by auditors


@dataclass(frozen=True, slots=True)
class RowWindows:
    """Seconds."""

    price_delay: int
    price_grace: int


@dataclass(slots=True)
class ServiceBook:
    """One service; `is_member`, `open_cases` and `is_covered` are the world's to say."""

    windows: RowWindows
    state: ServiceState = ServiceState.DRAFT
    rows: list[PriceRow] = field(default_factory=list)
    signers: list[tuple[int, bytes]] = field(default_factory=list)
    numerics: Numerics = Numerics.TORCH_FP32
    is_member: bool = True
    open_cases: int = 0
    is_covered: bool = True
    measured: dict[bytes, int] = field(default_factory=dict)  # signing key: class of a live verdict

    def announce(self, price: int, *, now: int) -> None:
        """A row with one price for everything."""
        self._check_lives()
        if self.rows and self.rows[-1].valid_from > now:
            raise PriceWaiting
        starts = now + self.windows.price_delay if self.rows else now
        row = PriceRow(len(self.rows) + 1, bytes(20), price, price, price, starts)
        self.rows.append(row)

    def activate(self) -> None:
        if self.state is not ServiceState.DRAFT or not self.rows:
            raise ServiceStateWrong
        self._serve()

    def pause(self) -> None:
        if self.state is not ServiceState.ACTIVE:
            raise ServiceStateWrong
        self.state = ServiceState.PAUSED

    def resume(self) -> None:
        if self.state is ServiceState.SUSPENDED:
            if self.open_cases:
                raise ServiceStateWrong
            if not self.is_covered:
                raise StakeMissing
        elif self.state is not ServiceState.PAUSED:
            raise ServiceStateWrong
        self._serve()

    def retire(self) -> None:
        self._check_lives()
        self.state = ServiceState.RETIRING

    def suspend(self) -> None:
        if self.state in (ServiceState.ACTIVE, ServiceState.PAUSED):
            self.state = ServiceState.SUSPENDED

    def set_signer(self, signer: bytes, *, now: int) -> None:
        self._check_lives()
        if self.signers and self.signers[-1][1] == signer:
            raise SignerUnchanged
        self.signers.append((now, signer))

    def signer_at(self, time: int) -> bytes:
        """20 zero bytes before the first."""
        known = [signer for since, signer in self.signers if since <= time]
        return known[-1] if known else bytes(20)

    def retired_at(self, version: int) -> int:
        """0 while no later row is announced."""
        return self.rows[version].valid_from if version < len(self.rows) else 0

    def is_payable(self, version: int, *, now: int) -> bool:
        if not 1 <= version <= len(self.rows) or now < self.rows[version - 1].valid_from:
            return False
        retired_at = self.retired_at(version)
        return retired_at == 0 or now <= retired_at + self.windows.price_grace

    def current_version(self, *, now: int) -> int:
        """0 before the first row."""
        return sum(row.valid_from <= now for row in self.rows)

    def level(self, *, cleared: int, open_cases: int, failed_until: int, now: int) -> Level:
        """The highest that its evidence gives, NONE where anything speaks against it."""
        is_active = self.state is ServiceState.ACTIVE
        is_clean = open_cases == 0 and failed_until <= now
        if not (is_active and is_clean and self.is_member and self.is_covered):
            return Level.NONE
        attested = TEE_LEVELS.get(self.measured.get(self.signer_at(now), 0), Level.NONE)
        if attested is not Level.NONE:
            return attested
        is_audited = cleared >= MIN_CLEARED and self.numerics in REPLAYED
        return Level.AUDITED if is_audited else Level.NONE

    def _serve(self) -> None:
        if not self.is_member:
            raise StakeMissing
        self.state = ServiceState.ACTIVE

    def _check_lives(self) -> None:
        if self.state is ServiceState.RETIRING:
            raise ServiceStateWrong
