"""Relayers and a subject in one process: a registry in memory, desks, and evidence by hand.

Evidence made here is judged by a scripted judge that reads its bundle and nothing else: what a
relayer does with claims is tested here, what makes claims in the verifier's own tests.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ParamSpec

from offchain.attestation.adapters.memory_relay import DirectSubjects, MemoryRegistry
from offchain.attestation.bundle import Bundle
from offchain.attestation.collect import Collect
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.model import (
    Claims,
    MeasurementClass,
    TcbStatus,
    TeeType,
    Verdict,
    verdict_of,
)
from offchain.attestation.quote import evidence_id, parse_quote
from offchain.attestation.reasons import Reason
from offchain.attestation.relay import Relay, RelayParts
from offchain.attestation.relay_errors import refused
from offchain.attestation.relay_ports import Bench, SignedVerdict, SubjectPlace
from offchain.attestation.report_data import REPORT_DATA_BYTES, Domain, report_data
from offchain.chain.keys import LocalSigner
from offchain.core.hashing import keccak
from offchain.node.disk import LocalDisk
from offchain.node.journal import Journal, MemoryJournal

P = ParamSpec("P")
DOMAIN = Domain(31_337, b"\xaa" * 20)
SERVICE = b"\x51" * 32
SUBJECT = LocalSigner.from_secret(b"\x31" * 32)
PROVIDER = LocalSigner.from_secret(b"\x32" * 32)
ENDPOINT = "http://127.0.0.1:9401"
RELAYERS = {number: LocalSigner.from_secret(bytes([number]) * 32) for number in range(1, 7)}
STRANGER = LocalSigner.from_secret(b"\x77" * 32)


def in_a_loop(test: Callable[P, Coroutine[None, None, None]]) -> Callable[P, None]:
    """Run a test in an event loop of its own."""

    @functools.wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> None:
        asyncio.run(test(*arguments, **named))

    return run


def a_bundle(registry: MemoryRegistry, **changes: object) -> Bundle:
    """Evidence of the subject with the newest nonce; its quote is its report data."""
    bundle = Bundle(
        domain=registry.of,
        epoch=registry.epoch,
        service_id=SERVICE,
        signer=SUBJECT.address,
        enc_key=b"",
        tls_key=b"",
        quote=b"",
        collateral="{}",
        event_log="[]",
        compose="",
        gpu="",
    )
    bundle = replace(bundle, **changes)
    if bundle.quote:
        return bundle
    nonce = registry.nonce(bundle.epoch)
    return replace(bundle, quote=report_data(bundle.domain, bundle.subject(), nonce))


def name_of(bundle: Bundle) -> bytes:
    """The evidence id that the scripted judge finds."""
    if len(bundle.quote) == REPORT_DATA_BYTES:
        return keccak(b"evidence", bundle.quote)
    return evidence_id(parse_quote(bundle.quote))


def reported(bundle: Bundle) -> bytes:
    """The report data in a quote, or the quote itself where that is all of it."""
    if len(bundle.quote) == REPORT_DATA_BYTES:
        return bundle.quote
    return parse_quote(bundle.quote).body.report_data


def read_claims(bundle: Bundle, bench: Bench) -> Claims:
    """A judge that believes a bundle whose report data and nonce are right."""
    nonce = bench.nonces.get(bundle.epoch)
    if nonce is None:
        raise refused(Reason.NONCE_STALE, f"epoch {bundle.epoch}")
    if bundle.domain != bench.domain:
        raise refused(Reason.DOMAIN_MISMATCH, "another registry")
    if reported(bundle) != report_data(bundle.domain, bundle.subject(), nonce):
        raise refused(Reason.KEY_BINDING_MISMATCH, "report data")
    return Claims(
        tee_type=TeeType.TDX,
        quote_version=4,
        domain=bundle.domain,
        subject=bundle.subject(),
        epoch=bundle.epoch,
        nonce=nonce,
        measurement_id=keccak(b"measured"),
        measurement_class=MeasurementClass.BROKER,
        os_image=bytes(32),
        compose_hash=bytes(32),
        tcb_status=TcbStatus.UP_TO_DATE,
        qe_status=TcbStatus.UP_TO_DATE,
        advisories=(),
        tcb_eval_number=17,
        fmspc="00",
        root_key_id=keccak(b"devnet root"),
        simulated=True,
        evidence_id=name_of(bundle),
        quote_hash=keccak(bundle.quote),
        bundle_root=bundle.root(),
        report_data_hash=keccak(reported(bundle)),
        collateral_hash=bundle.collateral_hash(),
        gpu_hash=bundle.gpu_hash(),
        gpu=None,
        usable_until=1 << 40,
    )


def a_verdict(registry: MemoryRegistry, bundle: Bundle, **changes: object) -> Verdict:
    """What an honest relayer says of evidence."""
    bench = registry.bench(registry.head())
    claims = read_claims(bundle, bench)
    return replace(verdict_of(claims, not_after=bench.ends(claims.epoch)), **changes)


def signed_by(registry: MemoryRegistry, number: int, verdict: Verdict) -> SignedVerdict:
    """A verdict with the signature of one relayer."""
    return SignedVerdict(verdict, RELAYERS[number].sign_digest(verdict.digest(registry.of)))


@dataclass
class Market:
    """One subject's desk, and relayers over one registry."""

    folder: Path
    registry: MemoryRegistry
    collect: Collect
    shelf: EvidenceShelf
    subjects: DirectSubjects
    relays: dict[int, Relay] = field(default_factory=dict)

    def add_relay(
        self,
        number: int,
        judge: Callable[[Bundle, Bench], Claims] = read_claims,
        journal: Journal | None = None,
    ) -> Relay:
        """A relayer of this operator, with a folder of its own."""
        relay = Relay(
            RelayParts(
                ledger=self.registry,
                acts=self.registry,
                subjects=self.subjects,
                judge=judge,
                signer=RELAYERS[number],
                journal=journal or MemoryJournal(),
                shelf=EvidenceShelf(LocalDisk(), self.folder / f"relayer-{number}"),
                operator_id=number,
            )
        )
        relay.open()
        self.relays[number] = relay
        return relay

    def lay_out(self, **changes: object) -> Bundle:
        """The subject offers new evidence."""
        bundle = a_bundle(self.registry, **changes)
        self.shelf.keep(name_of(bundle), bundle)
        self.collect.offer(bundle, name_of(bundle))
        return bundle

    async def rounds(self, *numbers: int) -> list[int]:
        """One round of some relayers, of all without a number."""
        chosen = numbers or tuple(self.relays)
        return [await self.relays[one].round() for one in chosen]


def a_market(folder: Path, *, members: tuple[int, ...] = (1, 2, 3, 4, 5)) -> Market:
    """A subject and a drawn committee, no relayer yet."""
    registry = MemoryRegistry(DOMAIN, {one.address: who for who, one in RELAYERS.items()})
    registry.drawn[registry.epoch] = members
    registry.places.append(SubjectPlace(SERVICE, SUBJECT.address, PROVIDER.address, ENDPOINT))
    collect = Collect()
    shelf = EvidenceShelf(LocalDisk(), folder / "subject")
    subjects = DirectSubjects(registry, {ENDPOINT: (collect, shelf)})
    return Market(folder, registry, collect, shelf, subjects)
