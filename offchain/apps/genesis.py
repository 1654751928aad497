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
MIN_AUDIT_SECONDS: Final = 240  # fetch what is sealed, load a model, compute an answer again
MIN_VOTE_SECONDS: Final = 120  # see that everybody has sealed, and open
MIN_JOB_SECONDS: Final = 60  # see a job, and get a bid or an opening mined
MIN_DELIVERY_SECONDS: Final = 300  # see a sale, lead the oracles, store a file
MIN_AGENT_SECONDS: Final = 180  # look at a delivery, or prove it false
AGENT_FEE_BPS: Final = 250  # of every sale
AGENT_URI: Final = "apogee:agent:"
GRACE_EPOCHS: Final = 42  # a week: whole epochs, whatever an epoch is divided by

# The same numbers as contracts/shared/constants.vy; a test compares them.
DA: Final = 1
STORAGE: Final = 2
COMPUTE: Final = 3
RELAYER: Final = 4
ALIGNMENT: Final = 5
DA_BAD_ROW: Final = 1
DA_EQUIVOCATION: Final = 2
DA_BAD_ENCODING: Final = 3
DA_SILENCE: Final = 4
STO_NO_PROOF: Final = 8
STO_DECLARED_LOSS: Final = 9
KV_FALSE_ROOT: Final = 10
CMP_BAD_PRICE: Final = 16
CMP_BAD_SIGNER: Final = 17
CMP_EQUIVOCATION: Final = 18
CMP_WRONG_MODEL: Final = 19
CMP_OVERCLAIM: Final = 20
CMP_BAD_COUNT: Final = 21
CMP_UNAVAILABLE: Final = 22
CMP_AUDIT_FAIL: Final = 23
AUD_SILENT: Final = 24
AUD_MINORITY: Final = 25
CMP_DECLARED: Final = 26
CMP_SILENT_AUDIT: Final = 27
RLY_FALSE_VERDICT: Final = 28
RLY_WITHHELD: Final = 29
RLY_EQUIVOCATION: Final = 30
BEACON_ABSENT: Final = 32
JOB_SILENT: Final = 33
AGT_FALSE_DELIVERY: Final = 34
PROVEN: Final = 1
MISSED: Final = 2
ATTESTED: Final = 3


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
    price_delay: int = 3_600  # from announcing a price of compute to its validity
    price_grace: int = DAY  # a retired price stays payable
    dispute: int = DAY  # from settling compute to its release
    withdraw_lock: int = 7_200  # four settlement periods: open vouchers come first
    delegate_grace: int = 3_600  # two settlement periods: what an ended key has signed
    reveal: int = 7_200  # a provider shows demanded leaves, or what auditors drew
    commit: int = 7_200  # auditors compute again and seal their ballots
    vote: int = 3_600  # and open them
    escalate: int = 21_600  # somebody stakes a bond against what they say
    job_window: int = 3_600  # the shortest a buyer may give bidders, or himself
    verdict_life: int = DAY  # of a verdict on TEE evidence
    platform_grace: int = 7 * DAY  # from a notice of a newer evaluation number until it binds
    open_evidence: int = 7_200  # somebody shows the quote behind a verdict
    agent_delivery: int = 1_800  # from a sale's lock to its delivery
    agent_objection: int = DAY  # and from there to an objection
    agent_show: int = 7_200  # and from an objection to its proof

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
    auditor_pay: int = WEI_PER_COIN // 1_000  # a seat of an audit that somebody asks for
    feedback_cap: int = WEI_PER_COIN  # weight of one client's words about one agent


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
        yield from self._compute()
        yield from self._attestation()
        yield from self._agents()

    def wiring(self) -> Iterator[Call]:
        """Calls that tie the contracts together and open the court, in order."""
        yield Call("OperatorRegistry", "wire_stake", (Ref("StakeManager"),))
        yield Call("StakeManager", "wire_court", (Ref("SlashingCourt"),))
        yield Call("RandomBeacon", "wire_court", (Ref("SlashingCourt"),))
        yield Call("DAEntrance", "wire", (Ref("DAFraudProofs"), Ref("DASampling")))
        storage = (Ref("StorageDraws"), Ref("StorageMarket"), Ref("StorageProofs"))
        yield Call("StorageSeats", "wire", storage)
        yield Call("StorageMarket", "wire", (Ref("StorageProofs"),))
        yield Call("StorageLog", "wire", (Ref("StorageMarket"), Ref("KVStreams")))
        courts = (Ref("ReceiptCourt"), Ref("AuditCourt"))
        yield Call("ServiceRegistry", "wire", (Ref("ComputeEscrow"), *courts))
        yield Call("ComputeEscrow", "wire", courts)
        judges = (Ref("AttestationFraudProofs"), Ref("AttestationDemands"))
        yield Call("AttestationRegistry", "wire", judges)
        yield Call("ServiceRegistry", "wire_attestations", (Ref("AttestationRegistry"),))
        yield Call("AgentNFT", "wire", (Ref("AgentLeases"), Ref("AgentAccount")))
        for offence, rule in (
            *self._offences(),
            *self._compute_offences(),
            *self._relayer_offences(),
        ):
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
        yield Deploy("StorageMarket", (log, seats, stake, beacon, self.governance, windows))
        yield Deploy("StandingOrders", (Ref("StorageMarket"), time.epoch))
        judged = (Ref("StorageMarket"), seats, stake, beacon, Ref("SlashingCourt"))
        limits = (time.proof, time.evidence_short, self.amounts.min_bond)
        yield Deploy("StorageProofs", (*judged, *limits))
        yield Deploy("KVStreams", (log, seats, stake))
        streams = Ref("KVStreams")
        yield Deploy("KVFraudProofs", (streams, seats, stake, time.evidence_short))

    def _compute(self) -> Iterator[Deploy]:
        """Services and the money held for them."""
        time, stake = self.durations, Ref("StakeManager")
        rows = (time.price_delay, time.price_grace)
        yield Deploy("ServiceRegistry", (stake, self.governance, rows))
        windows = (time.dispute, time.withdraw_lock, time.delegate_grace)
        yield Deploy("ComputeEscrow", (Ref("ServiceRegistry"), stake, self.governance, windows))
        market, court = (Ref("ComputeEscrow"), Ref("ServiceRegistry")), Ref("SlashingCourt")
        soon, bond = time.evidence_short, self.amounts.min_bond
        limits = (time.reveal, soon, time.price_grace, bond)
        yield Deploy("ReceiptCourt", (*market, stake, court, *limits))
        phases = (time.reveal, time.commit, time.vote, time.escalate, soon, soon)
        drawn = (Ref("OperatorRegistry"), stake, Ref("RandomBeacon"), court)
        yield Deploy("AuditCourt", (*market, *drawn, phases, self.amounts.auditor_pay))
        jury = (time.job_window, time.commit, time.vote, soon)
        yield Deploy("JobMarket", (market[1], *drawn, jury, self.amounts.auditor_pay))

    def _attestation(self) -> Iterator[Deploy]:
        """Verdicts on TEE evidence, and what makes relayers answer for them."""
        time, stake = self.durations, Ref("StakeManager")
        drawn = (Ref("OperatorRegistry"), stake, Ref("RandomBeacon"))
        terms = (time.verdict_life, time.platform_grace)
        yield Deploy("AttestationRegistry", (*drawn, self.governance, *terms))
        judged = (Ref("AttestationRegistry"), stake, Ref("SlashingCourt"))
        yield Deploy("AttestationFraudProofs", (*judged, time.evidence_long))
        limits = (time.open_evidence, time.evidence_long, self.amounts.min_bond)
        yield Deploy("AttestationDemands", (*judged, *limits))

    def _agents(self) -> Iterator[Deploy]:
        """What verifies deliveries of agents, the tokens, and their market."""
        yield Deploy("DeliveryFraudProofs", ())
        judged = (Ref("AttestationRegistry"), Ref("StakeManager"), Ref("SlashingCourt"))
        parts = (Ref("StorageMarket"), Ref("DeliveryFraudProofs"))
        yield Deploy("KeyDeliveryVerifier", (*judged, *parts, self.durations.evidence_long))
        kept = (Ref("KeyDeliveryVerifier"), Ref("StorageMarket"), self.governance, AGENT_URI)
        yield Deploy("AgentNFT", kept)
        time = self.durations
        windows = (time.agent_delivery, time.agent_objection, time.agent_show)
        yield Deploy("AgentMarket", (Ref("AgentNFT"), self.treasury, AGENT_FEE_BPS, windows))
        yield Deploy("AgentLeases", (Ref("AgentNFT"), *windows[:2]))
        yield Deploy("AgentAccount", (Ref("KVStreams"), (Ref("StakeManager"),)))
        identity, settled = Ref("AgentIdentity"), (Ref("ServiceRegistry"), Ref("ComputeEscrow"))
        yield Deploy(identity.name, (Ref("AgentNFT"),))
        words = (identity, Ref("AgentNFT"), *settled, self.amounts.feedback_cap)
        yield Deploy("AgentReputation", words)
        yield Deploy("AgentValidation", (identity,))

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
        roots = Ref("KVFraudProofs")
        yield KV_FALSE_ROOT, (PROVEN, STORAGE, 3_000, 2_000, 0, soon, True, True, roots)
        yield (
            BEACON_ABSENT,
            (MISSED, RELAYER, 50, 500, 0, time.evidence_short, False, False, Ref("RandomBeacon")),
        )

    def _compute_offences(self) -> Iterator[tuple[int, tuple[object, ...]]]:
        """The same for the compute market: courts name amounts, auditors pay a rate."""
        receipts, audits, soon = (
            Ref("ReceiptCourt"),
            Ref("AuditCourt"),
            self.durations.evidence_short,
        )
        terms = (0, 500, 0, soon, False, False)
        for offence in (*range(CMP_BAD_PRICE, CMP_UNAVAILABLE), CMP_DECLARED):
            yield offence, (PROVEN, COMPUTE, *terms, receipts)
        yield CMP_UNAVAILABLE, (MISSED, COMPUTE, *terms, receipts)
        yield CMP_AUDIT_FAIL, (ATTESTED, COMPUTE, *terms, audits)
        yield CMP_SILENT_AUDIT, (MISSED, COMPUTE, *terms, audits)
        yield AUD_SILENT, (MISSED, ALIGNMENT, 50, 0, 0, soon, False, False, audits)
        yield AUD_MINORITY, (ATTESTED, ALIGNMENT, 100, 0, 0, soon, False, False, audits)
        yield JOB_SILENT, (MISSED, ALIGNMENT, 50, 0, 0, soon, False, False, Ref("JobMarket"))

    def _relayer_offences(self) -> Iterator[tuple[int, tuple[object, ...]]]:
        """What relayers of TEE evidence lose for lies and for silence."""
        late = self.durations.evidence_long
        proofs, demands = Ref("AttestationFraudProofs"), Ref("AttestationDemands")
        yield RLY_FALSE_VERDICT, (PROVEN, RELAYER, 5_000, 2_000, 0, late, False, True, proofs)
        yield RLY_EQUIVOCATION, (PROVEN, RELAYER, 10_000, 2_000, 0, late, False, True, proofs)
        yield RLY_WITHHELD, (MISSED, RELAYER, 1_000, 500, 0, late, False, False, demands)
        oracles = Ref("KeyDeliveryVerifier")
        yield AGT_FALSE_DELIVERY, (PROVEN, RELAYER, 5_000, 2_000, 0, late, False, True, oracles)


def scaled_genesis(*, governance: str, treasury: str, divisor: int = DEVNET_DIVISOR) -> Genesis:
    """Production rules with every duration divided; prices and stakes stay.

    Thirteen windows do not shrink with the rest: confirming takes as long as machines need to move
    bytes, relayers contribute between the cut-off and the start of an epoch, signers and seats
    have to get transactions mined when they are challenged or have won, auditors compute,
    relayers show what they vouched for, and oracles deliver agents.
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
        reveal=max(time.reveal, MIN_AUDIT_SECONDS),
        commit=max(time.commit, MIN_AUDIT_SECONDS),
        vote=max(time.vote, MIN_VOTE_SECONDS),
        job_window=max(time.job_window, MIN_JOB_SECONDS),
        open_evidence=max(time.open_evidence, MIN_ANSWER_SECONDS),
        agent_delivery=max(time.agent_delivery, MIN_DELIVERY_SECONDS),
        agent_show=max(time.agent_show, MIN_AGENT_SECONDS),
    )
    return Genesis(governance, treasury, time, Amounts())


def resolve(value: object, addresses: dict[str, str]) -> object:
    """Replace every Ref inside a value by the address it got."""
    if isinstance(value, Ref):
        return addresses[value.name]
    if isinstance(value, tuple):
        return tuple(resolve(item, addresses) for item in value)
    return value
