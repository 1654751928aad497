"""Lies between a quote and a verdict have a kind; honest relayers bring them to court."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from offchain.attestation.adapters.memory_relay import MemoryRegistry
from offchain.attestation.adapters.software_tee import OS_IMAGE
from offchain.attestation.adapters.software_vendor import LeafPlan
from offchain.attestation.bundle import Bundle
from offchain.attestation.collect import Collect, Equivocation
from offchain.attestation.compose import compose_hash
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.faults import Fault, ShownChain, chain_of, fault_of
from offchain.attestation.model import MeasurementClass, Verdict
from offchain.attestation.onchain_registry import Measurement
from offchain.attestation.prosecute import (
    DemandKind,
    OpenDemand,
    Proof,
    Prosecute,
    ProsecuteParts,
    accuse,
)
from offchain.attestation.quote import evidence_id, parse_quote
from offchain.attestation.relay_errors import EvidenceUnknown
from offchain.attestation.relay_ports import Registered, SignedVerdict, SubjectPlace, VerdictState
from offchain.chain.model import Block
from offchain.core.errors import Conflict, Unavailable
from offchain.core.hashing import keccak
from offchain.node.disk import LocalDisk
from tests.support.evidence import (
    COMPOSE,
    SERVICE,
    SIGNER,
    bundle_of,
    machine,
    usual_bundle,
    usual_entry,
    usual_machine,
    vendor,
)
from tests.support.relaying import DOMAIN, ENDPOINT, PROVIDER, in_a_loop

ENTRY = Measurement(
    measurement_id=usual_machine().measurement_id,
    os_image=OS_IMAGE,
    compose_hash=compose_hash(COMPOSE),
    measurement_class=1,
    td_attributes=usual_entry().td_attributes.to_bytes(8, "little"),
    xfam=usual_entry().xfam.to_bytes(8, "little"),
    max_status=1,
    needs_gpu=False,
    valid_until=1 << 40,
    listed_at=1,
    delisted_at=0,
)
AK_SIGNATURE_AT = 632 + 4  # in a version 4 quote
QE_SIGNATURE_AT = 770 + 384


def verdict_over(raw: bytes) -> Verdict:
    """What relayers say who look at nothing but the form."""
    quote = parse_quote(raw)
    return Verdict(
        evidence_id=evidence_id(quote),
        quote_hash=keccak(raw),
        bundle_root=b"\x01" * 32,
        service_id=SERVICE,
        signer=SIGNER,
        enc_key_hash=bytes(32),
        tls_key_hash=bytes(32),
        measurement_id=ENTRY.measurement_id,
        report_data_hash=keccak(quote.body.report_data),
        gpu_hash=bytes(32),
        tee_type=0x81,
        tcb_status=1,
        tcb_eval_number=17,
        collateral_hash=b"\x02" * 32,
        root_key_id=keccak(chain_of(usual_bundle().quote).root_key),
        nonce=b"\x03" * 32,
        not_after=1 << 40,
    )


def flipped(raw: bytes, place: int) -> bytes:
    """One bit of a quote changed."""
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


def good() -> bytes:
    return usual_bundle().quote


def with_other_auth() -> bytes:
    """The bytes that the quoting enclave's report is bound to, changed."""
    raw = good()
    return flipped(raw, raw.index(parse_quote(raw).seal.qe_auth))


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        (good, None),
        (lambda: flipped(good(), AK_SIGNATURE_AT + 40), Fault.SIGNATURE),
        (lambda: flipped(good(), QE_SIGNATURE_AT + 40), Fault.QE_SIGNATURE),
        (with_other_auth, Fault.BINDING),
        (lambda: bundle_of(machine(leaf=LeafPlan(by_stranger=True))).quote, Fault.CHAIN),
        (lambda: bundle_of(machine(td_attributes=1)).quote, Fault.BODY),
        (lambda: bundle_of(machine(compose=COMPOSE.replace("ab", "cd"))).quote, Fault.BODY),
        (lambda: bundle_of(machine(mr_service_td=b"\x01" * 48)).quote, None),
    ],
    ids=["none", "signature", "qe", "binding", "chain", "debug", "other_code", "v4_has_none"],
)
def test_fault__of_a_quote_that_relayers_vouched_for__is_named(
    raw: Callable[[], bytes], fault: Fault | None
) -> None:
    quote = raw()

    assert fault_of(verdict_over(quote), quote, ENTRY) is fault


@pytest.mark.parametrize(
    "changes",
    [
        {"report_data_hash": b"\x09" * 32},
        {"evidence_id": b"\x09" * 32},
        {"measurement_id": b"\x09" * 32},
    ],
)
def test_fault__of_a_verdict_that_says_something_else__is_body(changes: dict[str, bytes]) -> None:
    assert fault_of(replace(verdict_over(good()), **changes), good(), ENTRY) is Fault.BODY


def test_fault__of_another_root__is_chain() -> None:
    said = replace(verdict_over(good()), root_key_id=b"\x09" * 32)

    assert fault_of(said, good(), ENTRY) is Fault.CHAIN


@pytest.mark.parametrize("raw", [b"", b"\x04\x00", b"x" * 4_000])
def test_fault__of_bytes_that_are_no_quote__is_body(raw: bytes) -> None:
    assert fault_of(verdict_over(good()), raw, ENTRY) is Fault.BODY
    assert chain_of(raw) == ShownChain()


def test_chain__of_a_quote__is_leaf_ca_and_the_roots_key() -> None:
    shown = chain_of(good())

    assert shown.ca == vendor().pck_ca.der
    assert len(shown.root_key) == 64


@dataclass
class Court:
    """A `ProofDesk` that believes what it is shown."""

    registry: MemoryRegistry
    known: list[tuple[bytes, Verdict]] = field(default_factory=list)
    demands: list[OpenDemand] = field(default_factory=list)
    proven: list[tuple[bytes, Fault]] = field(default_factory=list)
    demanded: list[bytes] = field(default_factory=list)
    answered: list[tuple[DemandKind, bytes, bool]] = field(default_factory=list)

    def add(self, verdict: Verdict) -> bytes:
        attestation_id = bytes(verdict.digest(DOMAIN))
        self.known.append((attestation_id, verdict))
        self.registry.verdicts[verdict.evidence_id] = Registered(
            attestation_id, verdict, VerdictState.LIVE, MeasurementClass.BROKER, (1, 2, 3), 1
        )
        return attestation_id

    def head(self) -> Block:
        return self.registry.head()

    def all_registered(self, block: Block) -> Sequence[tuple[bytes, Verdict]]:
        return list(self.known)

    def registered(self, evidence_id: bytes, block: Block) -> Registered | None:
        return self.registry.registered(evidence_id, block)

    def entry_of(self, attestation_id: bytes, block: Block) -> Measurement:
        return ENTRY

    def place_of(self, verdict: Verdict, block: Block) -> SubjectPlace | None:
        return SubjectPlace(verdict.service_id, verdict.signer, PROVIDER.address, ENDPOINT)

    def prove(self, attestation_id: bytes, proof: Proof) -> None:
        self.proven.append((attestation_id, proof.fault))
        self.registry.end(proof.verdict.evidence_id, VerdictState.VOID)

    def demand(self, attestation_id: bytes, kind: DemandKind) -> None:
        self.demanded.append(attestation_id)

    def was_demanded(self, attestation_id: bytes, block: Block) -> bool:
        return attestation_id in self.demanded

    def open_demands(self, block: Block) -> Sequence[OpenDemand]:
        return self.demands

    def answer(self, kind: DemandKind, verdict: Verdict, quote: bytes, chain: ShownChain) -> None:
        self.answered.append((kind, keccak(quote), bool(chain.leaf)))
        self.demands = [one for one in self.demands if one.kind is not kind]


@dataclass
class Shown:
    """`Subjects` that show these bundles."""

    bundles: dict[bytes, Bundle] = field(default_factory=dict)

    async def bundle(self, place: SubjectPlace, evidence_id: bytes) -> Bundle:
        if evidence_id not in self.bundles:
            raise EvidenceUnknown(evidence=evidence_id.hex())
        return self.bundles[evidence_id]


@pytest.fixture
def court() -> Court:
    return Court(MemoryRegistry(DOMAIN, {}))


def a_reporter(court: Court, shown: Shown, folder: Path, **changes: object) -> Prosecute:
    shelf = EvidenceShelf(LocalDisk(), folder / "shelf")
    return Prosecute(ProsecuteParts(court, shown, [shelf], **changes))


def forged() -> Bundle:
    """A quote that its attestation key never signed."""
    return replace(usual_bundle(), quote=flipped(good(), AK_SIGNATURE_AT + 40))


@in_a_loop
async def test_round__over_a_forged_and_a_right_verdict__proves_the_forged_one_once(
    court: Court, tmp_path: Path
) -> None:
    lie, truth = forged(), bundle_of(machine())
    false = court.add(verdict_over(lie.quote))
    court.add(verdict_over(truth.quote))
    shown = Shown({evidence_id(parse_quote(one.quote)): one for one in (lie, truth)})
    reporter = a_reporter(court, shown, tmp_path)

    assert [await reporter.round(), await reporter.round()] == [1, 0]

    assert court.proven == [(false, Fault.SIGNATURE)]
    assert court.demanded == []


@in_a_loop
async def test_round__bytes_that_nobody_gives__are_demanded_after_a_while(
    court: Court, tmp_path: Path
) -> None:
    hidden = court.add(verdict_over(good()))
    reporter = a_reporter(court, Shown(), tmp_path, patience=60)
    assert await reporter.round() == 0
    court.registry.now += 59
    assert await reporter.round() == 0

    court.registry.now += 1

    assert [await reporter.round(), await reporter.round()] == [1, 0]
    again = a_reporter(court, Shown(), tmp_path, patience=0)
    assert await again.round() == 0, "what was asked for once is not asked for by the next process"
    assert court.demanded == [hidden]


@in_a_loop
async def test_round__shown_other_bytes_than_were_judged__takes_them_for_none(
    court: Court, tmp_path: Path
) -> None:
    verdict = verdict_over(good())
    court.add(verdict)
    shown = Shown({verdict.evidence_id: forged()})  # the same evidence id, another signature

    assert await a_reporter(court, shown, tmp_path).round() == 0
    assert court.proven == []


@dataclass
class Bench:
    """An `EquivocationDesk` that may be away."""

    fails_with: Exception | None = None
    proven: list[Equivocation] = field(default_factory=list)

    def prove_equivocation(self, found: Equivocation) -> None:
        if self.fails_with is not None:
            raise self.fails_with
        self.proven.append(found)


@in_a_loop
async def test_accuse__two_stories_of_one_relayer__go_to_court_once_whatever_is_away() -> None:
    one = SignedVerdict(verdict_over(good()), bytes(65))
    found = Equivocation(2, 41, one, replace(one, verdict=replace(one.verdict, tcb_status=2)))
    collect = Collect()
    collect.equivocations = [found]
    with pytest.raises(Unavailable):
        await accuse(collect, Bench(Unavailable("no node answers")))
    assert collect.equivocations == [found]

    court = Bench()
    assert [await accuse(collect, court), await accuse(collect, court)] == [1, 0]

    assert court.proven == [found]
    collect.equivocations = [found]
    assert await accuse(collect, Bench(Conflict("somebody was first"))) == 0
    assert collect.equivocations == []


@pytest.mark.parametrize("kind", list(DemandKind))
@in_a_loop
async def test_round__a_demand_for_what_lies_here__is_answered_in_time_only(
    court: Court, tmp_path: Path, kind: DemandKind
) -> None:
    verdict = verdict_over(good())
    attestation_id = court.add(verdict)
    reporter = a_reporter(court, Shown(), tmp_path)
    shelf = EvidenceShelf(LocalDisk(), tmp_path / "shelf")
    shelf.keep(verdict.evidence_id, usual_bundle())
    late = OpenDemand(attestation_id, kind, court.registry.now - 1)
    court.demands = [late]
    assert await reporter.round() == 0

    court.demands = [replace(late, deadline=court.registry.now)]

    assert await reporter.round() == 1
    assert court.answered == [(kind, keccak(good()), kind is DemandKind.PATH)]
