"""Registry of attestations and its courts on real stake; the tests hold the relayers' keys."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import boa

from offchain.attestation.adapters.software_tee import OS_IMAGE, SoftwareTee
from offchain.attestation.adapters.software_vendor import Vendor, public_point
from offchain.attestation.compose import compose_hash
from offchain.attestation.draw import candidates_of, draw_relayers, seed_of
from offchain.attestation.model import MeasurementClass, TcbStatus, TdBody, TeeType, Verdict
from offchain.attestation.quote import evidence_id, parse_quote
from offchain.attestation.report_data import Domain, Subject, report_data
from offchain.chain.keys import LocalSigner
from offchain.core.hashing import Digest, keccak
from offchain.staking.court import OffenceClass
from tests.support.beacon import BeaconSite, deploy_beacon
from tests.support.court import a_rule, rule_tuple
from tests.support.evidence import machine, vendor
from tests.support.staking import (
    COIN,
    CONTRACTS,
    DAY,
    RELAYER,
    AnOperator,
    a_wallet,
    next_epoch,
)

LOCAL_CHAIN = 31_337
LIFE, GRACE, OPEN_WINDOW = DAY, 7 * DAY, 120  # seconds: the devnet's clock
EVIDENCE = 24 * DAY
MIN_BOND = COIN // 100
FALSE_VERDICT, WITHHELD, EQUIVOCATION = 28, 29, 30
STAKES = (300, 250, 200, 200, 150)  # coins of each relayer
COLLATERAL = keccak(b"collateral")
ENC_KEY, TLS_KEY = keccak(b"hpke key"), keccak(b"tls key")
SERVICE = keccak(b"a service")
NO_SALT = bytes(32)


@dataclass(frozen=True, slots=True)
class AttestationSite:
    """`governance` lists measurements, `guardian` may take them off."""

    beacon_site: BeaconSite
    registry: Any
    proofs: Any
    demands: Any
    guardian: str
    measurement_id: bytes

    @property
    def stake(self) -> Any:
        return self.beacon_site.stake

    @property
    def court(self) -> Any:
        return self.beacon_site.court

    @property
    def governance(self) -> str:
        return self.beacon_site.court_site.governance

    @property
    def relayers(self) -> tuple[AnOperator, ...]:
        return self.beacon_site.relayers

    @property
    def epoch(self) -> int:
        return int(self.stake.current_epoch())

    def domain(self) -> Domain:
        address = bytes.fromhex(str(self.registry.address)[2:])
        return Domain(int(boa.env.evm.patch.chain_id), address)

    def shown(self, epoch: int) -> list[tuple[object, ...]]:
        """On whom the attempts of an epoch's draw fall."""
        tree = self.beacon_site.tree(epoch)
        seed = seed_of(bytes(self.beacon_site.beacon.randomness(epoch)))
        return candidates_of(draw_relayers(seed, tree), tree)

    def draw(self, epoch: int | None = None) -> int:
        """Seat the committee of an epoch, of this one unless said; its number."""
        wanted = self.epoch if epoch is None else epoch
        self.registry.draw(wanted, self.shown(wanted))
        return wanted


@cache
def attestation_deployer(name: str) -> Any:
    return boa.load_partial(str(CONTRACTS / "attestation" / f"{name}.vy"))


@cache
def relayer_key(operator_id: int) -> LocalSigner:
    """What a relayer signs verdicts with."""
    return LocalSigner.from_secret(keccak(b"relayer", operator_id.to_bytes(4, "big")))


@cache
def subject_key(name: str = "subject") -> LocalSigner:
    """A signing key that verdicts are about."""
    return LocalSigner.from_secret(keccak(b"subject", name.encode()))


@cache
def tee(compose: str | None = None) -> SoftwareTee:
    """A machine whose quotes the tests vouch for."""
    return machine() if compose is None else machine(compose=compose)


def deploy_registry(site: BeaconSite, *, life: int = LIFE, grace: int = GRACE) -> Any:
    """The registry alone, not wired."""
    court = site.court_site
    drawn = (court.staking.registry.address, court.stake.address, site.beacon.address)
    return attestation_deployer("AttestationRegistry").deploy(*drawn, court.governance, life, grace)


def deploy_attestation(stakes: Iterable[int] = STAKES) -> AttestationSite:
    """Registry and courts wired, relayers staked for two epochs, one measurement listed."""
    beacon = deploy_beacon(stakes)
    court = beacon.court_site
    registry = deploy_registry(beacon)
    judged = (registry.address, court.stake.address, court.court.address)
    proofs = attestation_deployer("AttestationFraudProofs").deploy(*judged, EVIDENCE)
    demands = attestation_deployer("AttestationDemands").deploy(
        *judged, OPEN_WINDOW, EVIDENCE, MIN_BOND
    )
    registry.wire(proofs.address, demands.address, sender=court.governance)
    _add_offences(beacon, proofs.address, demands.address)
    guardian = a_wallet("guardian of measurements")
    registry.set_guardian(guardian, sender=court.governance)
    for one in beacon.relayers:
        hot = hex_of(relayer_key(one.operator_id).address)
        court.staking.registry.offer_signer(hot, sender=one.owner)
        court.staking.registry.accept_signer(one.operator_id, sender=hot)
    listed = bytes(registry.list_measurement(*an_entry(tee()), sender=court.governance))
    next_epoch(2)
    return AttestationSite(beacon, registry, proofs, demands, guardian, listed)


def an_entry(
    machine: SoftwareTee,
    *,
    measurement_class: MeasurementClass = MeasurementClass.BROKER,
    max_status: int = 1,
    needs_gpu: bool = False,
    valid_until: int | None = None,
) -> tuple[Any, ...]:
    """What lists the code of a machine."""
    body = machine.body(bytes(64))
    return (
        body.mr_td + b"".join(body.rtmrs[:3]),
        OS_IMAGE,
        compose_hash(machine.compose),
        int(measurement_class),
        body.td_attributes.to_bytes(8, "little"),
        body.xfam.to_bytes(8, "little"),
        max_status,
        needs_gpu,
        boa.env.timestamp + 365 * DAY if valid_until is None else valid_until,
    )


def a_quote(
    site: AttestationSite,
    subject: LocalSigner,
    *,
    epoch: int,
    by: SoftwareTee | None = None,
    service: bytes = SERVICE,
) -> bytes:
    """What a subject's machine says of itself in an epoch."""
    wanted = Subject(service, subject.address, ENC_KEY, TLS_KEY)
    nonce = bytes(site.registry.nonce_of(epoch))
    return (by or tee()).quote(report_data(site.domain(), wanted, nonce))


def a_verdict(
    site: AttestationSite,
    quote: bytes,
    subject: LocalSigner,
    *,
    epoch: int,
    service: bytes = SERVICE,
    **changes: Any,
) -> Verdict:
    """What an honest relayer says of a quote; keywords are lies."""
    parsed = parse_quote(quote)
    body = parsed.body
    assert isinstance(body, TdBody)
    honest = Verdict(
        evidence_id=evidence_id(parsed),
        quote_hash=keccak(quote),
        bundle_root=keccak(b"bundle", quote),
        service_id=service,
        signer=subject.address,
        enc_key_hash=ENC_KEY,
        tls_key_hash=TLS_KEY,
        measurement_id=site.measurement_id,
        report_data_hash=keccak(body.report_data),
        gpu_hash=bytes(32),
        tee_type=int(TeeType.TDX),
        tcb_status=int(TcbStatus.UP_TO_DATE),
        tcb_eval_number=17,
        collateral_hash=COLLATERAL,
        root_key_id=root_key_id(vendor()),
        nonce=bytes(site.registry.nonce_of(epoch)),
        not_after=boa.env.timestamp + LIFE // 2,
    )
    return replace(honest, **changes)


def root_key(of: Vendor) -> bytes:
    """X || y of a vendor's root."""
    return public_point(of.root.key.public_key())


def root_key_id(of: Vendor) -> Digest:
    return keccak(root_key(of))


def seats_of(count: int = 3) -> int:
    """The lowest seats, as a bitmap."""
    return (1 << count) - 1


def sign(site: AttestationSite, digest: bytes, epoch: int, seats: int) -> bytes:
    """What the relayers in these seats answer, in the order of seats."""
    members = site.registry.committee(epoch)
    keys = [relayer_key(one) for seat, one in enumerate(members) if seats >> seat & 1]
    return b"".join(key.sign_digest(digest) for key in keys)


def register(site: AttestationSite, verdict: Verdict, epoch: int, seats: int = 0b111) -> bytes:
    """Have the relayers in these seats vouch for a verdict; its id."""
    signatures = sign(site, verdict.digest(site.domain()), epoch, seats)
    return bytes(site.registry.register(fields_of(verdict), epoch, seats, signatures))


def fields_of(verdict: Verdict) -> tuple[Any, ...]:
    """A verdict as titanoboa takes it: addresses are text."""
    fields = list(verdict.fields())
    fields[4] = hex_of(verdict.signer)
    return tuple(fields)


@dataclass(frozen=True, slots=True)
class Vouched:
    """A verdict that is registered, with the quote behind it."""

    id: bytes
    verdict: Verdict
    quote: bytes
    epoch: int


def vouch(
    site: AttestationSite,
    subject: LocalSigner | None = None,
    *,
    quote: bytes | None = None,
    seats: int = 0b111,
    **changes: Any,
) -> Vouched:
    """Register a verdict on a quote of this epoch; keywords are lies."""
    key = subject_key() if subject is None else subject
    epoch = site.epoch
    if not site.registry.committee(epoch):
        site.draw(epoch)
    raw = a_quote(site, key, epoch=epoch) if quote is None else quote
    verdict = a_verdict(site, raw, key, epoch=epoch, **changes)
    return Vouched(register(site, verdict, epoch, seats), verdict, raw, epoch)


def hex_of(address: bytes) -> str:
    return "0x" + address.hex()


def stakes_of(site: AttestationSite) -> dict[int, int]:
    """What each relayer has in its pool now, wei."""
    return {
        one.operator_id: int(site.stake.pool_state(one.pool(RELAYER)).own) for one in site.relayers
    }


def picture(site: AttestationSite, ids: Iterable[bytes] = ()) -> tuple[Any, ...]:
    """What a refused call must leave as it was."""
    registry, demands, epoch = site.registry, site.demands, site.epoch
    now = boa.env.timestamp
    keys = [hex_of(subject_key(name).address) for name in ("subject", "other")]
    return (
        [registry.live(key, now) for key in keys],
        [(registry.verdict(one), registry.relayers_of(one)) for one in ids],
        [[demands.demand_of(one, kind) for kind in (1, 2)] for one in ids],
        [registry.committee(one) for one in (epoch, epoch - 1)],
        registry.measurement_count(),
        [registry.measurement_at(1 + n) for n in range(registry.measurement_count())],
        registry.min_eval_number(),
        registry.is_collateral_revoked(COLLATERAL),
        (registry.guardian(), registry.governance(), registry.fraud_proofs(), registry.demands()),
        stakes_of(site),
        boa.env.get_balance(demands.address),
    )


def _add_offences(site: BeaconSite, proofs: str, demands: str) -> None:
    court, sender = site.court, site.court_site.governance
    proven = {"service": RELAYER, "evidence_seconds": EVIDENCE, "tombstones": True}
    rules = {
        FALSE_VERDICT: a_rule(proofs, base_bps=5_000, **proven),
        EQUIVOCATION: a_rule(proofs, base_bps=10_000, **proven),
        WITHHELD: a_rule(
            demands,
            offence_class=OffenceClass.MISSED,
            service=RELAYER,
            reporter_bps=500,
            evidence_seconds=EVIDENCE,
        ),
    }
    for offence, rule in rules.items():
        court.add_type(offence, rule_tuple(rule), sender=sender)
