"""The plan of a deployment: which contracts, in which order, with which arguments, wired how. Pure.

Durations are production seconds; a devnet divides all of them by one number, so their ratios hold.
Source: docs/protocol/staking.md#constants, docs/protocol/da.md#parameters, storage.md beside them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Final

from offchain.core.units import DAY, WEI_PER_COIN

DEVNET_DIVISOR: Final = 100
MIN_CONFIRM_SECONDS: Final = 300
MIN_CUTOFF_SECONDS: Final = 36  # an idle devnet seals a block every 12 s; relayers need two
MIN_SAMPLE_SECONDS: Final = 60  # signers see a round, look through their leaves, and answer
MIN_ANSWER_SECONDS: Final = 120  # a signer reads a block, sends an answer, and may do so again
MIN_PROOF_SECONDS: Final = 120  # the same for a seat of storage, within one epoch
GRACE_EPOCHS: Final = 42  # a week: whole epochs, whatever an epoch is divided by

# The same numbers as contracts/shared/constants.vy; a test compares them.
DA: Final = 1
STORAGE: Final = 2
RELAYER: Final = 4
DA_BAD_ROW: Final = 1
DA_EQUIVOCATION: Final = 2
DA_BAD_ENCODING: Final = 3
DA_SILENCE: Final = 4
STO_NO_PROOF: Final = 8
STO_DECLARED_LOSS: Final = 9
BEACON_ABSENT: Final = 32
PROVEN: Final = 1
MISSED: Final = 2


@dataclass(frozen=True, slots=True)
class Ref:
    """The address a contract of this plan gets."""

    name: str


@dataclass(frozen=True, slots=True)
class Durations:
    """Every duration a contract is built with, in seconds."""

    epoch: int = 14_400
    cutoff: int = 900  # before an epoch's start
    day: int = DAY
    unbonding_long: int = 28 * DAY  # DA and relayer
    unbonding_short: int = 11 * DAY
    evidence_long: int = 24 * DAY
    evidence_short: int = 7 * DAY
    veto: int = 2 * DAY
    correlation: int = DAY
    commission_delay: int = 29 * DAY
    rule_delay: int = 29 * DAY
    confirm: int = 900  # from payment to certificate
    answer: int = 3_600  # a challenge may stay unanswered
    sample: int = 600  # a round of sampling
    receipts: int = 21_600  # from a file's submission to its receipts
    proof: int = 3_600  # from an epoch's start to the leaves it asks seats for
    repair: int = 2 * DAY  # fewer seats than can rebuild a file for so long: lost

    def divided(self, divisor: int) -> "Durations":
        """Every duration divided by `divisor`, rounded down."""
        return replace(self, **{f.name: getattr(self, f.name) // divisor for f in fields(self)})


@dataclass(frozen=True, slots=True)
class Amounts:
    """Every amount a contract is built with, in wei unless the name says otherwise."""

    min_stake_long: int = 100 * WEI_PER_COIN  # DA and relayer
    min_stake_short: int = 10 * WEI_PER_COIN
    min_deposit: int = WEI_PER_COIN // 100
    price_per_byte_day: int = 10**6
    max_operators: int = 4_096
    confirm_slices: int = 2_048
    safety_slices: int = 1_024
    max_retention_days: int = 21
    min_bond: int = WEI_PER_COIN // 100  # of a challenge


@dataclass(frozen=True, slots=True)
class Deploy:
    """Create a contract."""

    name: str
    arguments: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """Call a deployed contract as governance."""

    name: str
    function: str
    arguments: tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Genesis:
    """What one network is built with."""

    governance: str
    treasury: str
    durations: Durations
    amounts: Amounts

    def deployments(self) -> Iterator[Deploy]:
        """Contracts in an order in which each finds those it is built on."""
        time, money = self.durations, self.amounts
        yield Deploy(
            "OperatorRegistry",
            (self.governance, time.epoch, time.cutoff, time.day, money.max_operators),
        )
        terms = (
            time.unbonding_long,
            time.unbonding_short,
            time.evidence_long,
            time.evidence_short,
            time.veto,
            time.correlation,
            time.commission_delay,
            money.min_stake_long,
            money.min_stake_short,
            money.min_deposit,
        )
        yield Deploy("StakeManager", (Ref("OperatorRegistry"), self.governance, terms))
        yield Deploy("RandomBeacon", (Ref("StakeManager"), self.governance, time.evidence_short))
        yield Deploy(
            "SlashingCourt",
            (Ref("StakeManager"), self.governance, self.treasury, time.rule_delay),
        )
        yield Deploy("DASigners", (Ref("StakeManager"), Ref("RandomBeacon")))
        windows = (time.confirm, time.day, time.answer, time.veto)
        price = (
            money.price_per_byte_day,
            money.confirm_slices,
            money.safety_slices,
            money.max_retention_days,
        )
        yield Deploy(
            "DAEntrance",
            (
                Ref("DASigners"),
                Ref("StakeManager"),
                self.treasury,
                self.governance,
                windows,
                price,
            ),
        )
        judged = (Ref("DAEntrance"), Ref("DASigners"), Ref("StakeManager"), Ref("SlashingCourt"))
        yield Deploy("DAChallenges", (*judged, time.evidence_long, money.min_bond))
        yield Deploy("DAFraudProofs", (*judged, time.evidence_long))
        yield Deploy("DASampling", (*judged[:3], time.sample))
        yield from self._storage()

    def wiring(self) -> Iterator[Call]:
        """Calls that tie the contracts together and open the court, in order."""
        yield Call("OperatorRegistry", "wire_stake", (Ref("StakeManager"),))
        yield Call("StakeManager", "wire_court", (Ref("SlashingCourt"),))
        yield Call("RandomBeacon", "wire_court", (Ref("SlashingCourt"),))
        yield Call("DAEntrance", "wire", (Ref("DAFraudProofs"), Ref("DASampling")))
        storage = (Ref("StorageDraws"), Ref("StorageMarket"), Ref("StorageProofs"))
        yield Call("StorageSeats", "wire", storage)
        yield Call("StorageMarket", "wire", (Ref("StorageSeats"), Ref("StorageProofs")))
        yield Call("StorageLog", "wire", (Ref("StorageMarket"), Ref("KVStreams")))
        for offence, rule in self._offences():
            yield Call("SlashingCourt", "add_type", (offence, rule))
        yield Call("SlashingCourt", "rank", (DA_SILENCE, DA_BAD_ROW))
        yield Call("SlashingCourt", "seal", ())

    def _storage(self) -> Iterator[Deploy]:
        """The log, seats and their draws, the market, the proofs, streams."""
        time, stake, beacon = self.durations, Ref("StakeManager"), Ref("RandomBeacon")
        registry, log, seats = Ref("OperatorRegistry"), Ref("StorageLog"), Ref("StorageSeats")
        yield Deploy("StorageLog", (stake, Ref("DAEntrance"), self.governance))
        yield Deploy("StorageSeats", (registry, stake, self.governance))
        yield Deploy("StorageDraws", (registry, stake, beacon, seats))
        windows = (time.receipts, GRACE_EPOCHS * time.epoch, time.repair)
        yield Deploy("StorageMarket", (log, stake, beacon, self.governance, windows))
        yield Deploy("StandingOrders", (Ref("StorageMarket"), time.epoch))
        judged = (Ref("StorageMarket"), seats, stake, beacon, Ref("SlashingCourt"))
        limits = (time.proof, time.evidence_short, self.amounts.min_bond)
        yield Deploy("StorageProofs", (*judged, *limits))
        yield Deploy("KVStreams", (log, seats))

    def as_json(self) -> list[dict[str, object]]:
        """The whole plan in order, for people and programs; `<Name>` stands for its address."""
        names = {step.name: f"<{step.name}>" for step in self.deployments()}
        made = [
            {"deploy": step.name, "arguments": resolve(step.arguments, names)}
            for step in self.deployments()
        ]
        calls = [
            {"call": f"{call.name}.{call.function}", "arguments": resolve(call.arguments, names)}
            for call in self.wiring()
        ]
        return [*made, *calls]

    def _offences(self) -> Iterator[tuple[int, tuple[object, ...]]]:
        """Offence types: class, service, base and reporter share in bps, jail, evidence window."""
        time = self.durations
        late = time.evidence_long
        fraud, challenges = Ref("DAFraudProofs"), Ref("DAChallenges")
        yield DA_BAD_ROW, (PROVEN, DA, 1_000, 2_000, 0, late, False, False, fraud)
        yield DA_EQUIVOCATION, (PROVEN, DA, 3_000, 2_000, 0, late, True, True, challenges)
        yield DA_BAD_ENCODING, (PROVEN, DA, 10_000, 2_000, 0, late, False, True, fraud)
        yield DA_SILENCE, (MISSED, DA, 1_000, 2_000, 0, late, False, False, challenges)
        proofs, soon = Ref("StorageProofs"), time.evidence_short
        yield STO_NO_PROOF, (MISSED, STORAGE, 0, 500, 0, soon, False, False, proofs)
        yield STO_DECLARED_LOSS, (PROVEN, STORAGE, 0, 500, 0, soon, False, False, proofs)
        yield (
            BEACON_ABSENT,
            (MISSED, RELAYER, 50, 500, 0, time.evidence_short, False, False, Ref("RandomBeacon")),
        )


def scaled_genesis(*, governance: str, treasury: str, divisor: int = DEVNET_DIVISOR) -> Genesis:
    """Production rules with every duration divided; prices and stakes stay.

    Six windows do not shrink with the rest: confirming takes as long as machines need to move
    bytes, relayers contribute between the cut-off and the start of an epoch, and signers and seats
    have to get transactions mined when they are challenged or have won.
    """
    time = Durations().divided(divisor)
    time = replace(
        time,
        confirm=max(time.confirm, MIN_CONFIRM_SECONDS),
        cutoff=max(time.cutoff, MIN_CUTOFF_SECONDS),
        answer=max(time.answer, MIN_ANSWER_SECONDS),
        sample=max(time.sample, MIN_SAMPLE_SECONDS),
        receipts=max(time.receipts, MIN_CONFIRM_SECONDS),
        proof=max(time.proof, MIN_PROOF_SECONDS),
    )
    return Genesis(governance, treasury, time, Amounts())


def resolve(value: object, addresses: dict[str, str]) -> object:
    """Replace every Ref inside a value by the address it got."""
    if isinstance(value, Ref):
        return addresses[value.name]
    if isinstance(value, tuple):
        return tuple(resolve(item, addresses) for item in value)
    return value
