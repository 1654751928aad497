"""Gas of verdicts on TEE evidence, and of proofs against them.

Figures are whole transactions on the devnet chain: five relayers, a software TDX quote of 4.2 kB
with its three certificates. `attest.verdict.gas` is a first verdict of three of them on a signing
key, `attest.refresh.gas` the next one. `attest.fraud.gas` is the dearest proof with the precompile
at 0x100, `attest.fraud.fallback.gas` the same without it.
`attest.punish.gas` then slashes the three who signed.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from eth_account import Account
from eth_typing import Address

from benchmarks.chain_stage import CHAIN_ID, ChainStage
from benchmarks.rows import Row, at_most, measure
from offchain.apps.genesis import RELAYER, Call, Deploy, Genesis, Ref, scaled_genesis
from offchain.attestation.adapters.software_tee import OS_IMAGE, SoftwareTee, TdPlan
from offchain.attestation.adapters.software_vendor import LeafPlan, create_vendor, public_point
from offchain.attestation.compose import compose_hash
from offchain.attestation.draw import candidates_of, draw_relayers, seed_of
from offchain.attestation.faults import Fault, chain_of
from offchain.attestation.model import Quote, TeeType, Verdict
from offchain.attestation.notice import Notice, NoticeKind
from offchain.attestation.quote import encode_quote, evidence_id, parse_quote
from offchain.attestation.report_data import Domain, Subject, report_data
from offchain.chain.devnet.evm import DevnetComputation
from offchain.chain.devnet.genesis import dev_accounts
from offchain.chain.keys import LocalSigner
from offchain.core.bls import DST_POSSESSION, SecretKey
from offchain.core.hashing import keccak
from offchain.core.units import WEI_PER_COIN
from offchain.staking.tree import Leaf, StakeTree

COMMAND: Final = "python -m benchmarks.attest_gas"
BARS: Final = {
    "verdict": 220_000,
    "refresh": 120_000,
    "refresh.after_revocation": 120_000,
    "fraud": 350_000,
    "fraud.fallback": 1_800_000,
}
RELAYERS: Final = 5
SEATS: Final = 0b111
P256: Final = Address((0x100).to_bytes(20, "big"))
COMPOSE: Final = '{"services":{"broker":{"image":"apogee/broker@sha256:' + "ab" * 32 + '"}}}'
NEEDED: Final = {
    "OperatorRegistry",
    "StakeManager",
    "RandomBeacon",
    "SlashingCourt",
    "AttestationRegistry",
    "AttestationFraudProofs",
    "AttestationDemands",
}


class Part:
    """Those steps of a plan that concern attestation."""

    def __init__(self, plan: Genesis) -> None:
        self._plan = plan

    def deployments(self) -> Iterator[Deploy]:
        return (step for step in self._plan.deployments() if step.name in NEEDED)

    def wiring(self) -> Iterator[Call]:
        for call in self._plan.wiring():
            is_whole = all(one.name in NEEDED for one in _refs(call.arguments))
            if call.name in NEEDED and call.function != "rank" and is_whole:
                yield call


class AttestStage:
    """Five staked relayers, a machine, and code that is listed."""

    def __init__(self) -> None:
        self.stage = ChainStage()
        owner = "0x" + dev_accounts()[0].address.hex()
        self.stage.deploy(Part(scaled_genesis(governance=owner, treasury=owner)))  # type: ignore[arg-type]  # a plan in part
        self.secrets = [keccak(b"relayer", bytes([number])) for number in range(RELAYERS)]
        for secret in self.secrets:
            self._join(secret)
        self.vendor = create_vendor(int(time.time()))
        self.root_key = public_point(self.vendor.root.key.public_key())
        self.tee = SoftwareTee(self.vendor, TdPlan(compose=COMPOSE), int(time.time()))
        body = self.tee.body(bytes(64))
        self.stage.send(
            "AttestationRegistry",
            "list_measurement",
            body.mr_td + b"".join(body.rtmrs[:3]),
            OS_IMAGE,
            compose_hash(COMPOSE),
            1,
            body.td_attributes.to_bytes(8, "little"),
            body.xfam.to_bytes(8, "little"),
            1,
            False,
            2**33,
        )
        self._pass(2 * int(self.stage.read("StakeManager", "epoch_length")))
        self.epoch = 0
        self.count = 0
        self.last_id = bytes(32)

    def draw(self) -> int:
        """Seat the relayers of the epoch that runs."""
        stage = self.stage
        self.epoch = int(stage.read("StakeManager", "current_epoch"))
        leaves = {}
        for number in range(1, RELAYERS + 1):
            pool = number << 8 | RELAYER
            seat = stage.read("OperatorRegistry", "seat_of", pool) - 1
            weight = stage.read("StakeManager", "weight_at", pool, self.epoch)
            key = stage.read("StakeManager", "key_at", number, self.epoch)
            leaves[seat] = Leaf(number, weight, keccak(key))
        tree = StakeTree(leaves)
        random = stage.read("RandomBeacon", "randomness", self.epoch)
        shown = candidates_of(draw_relayers(seed_of(random), tree), tree)
        return stage.send("AttestationRegistry", "draw", self.epoch, shown)

    def register(self, verdict: Verdict) -> int:
        """Have three seats vouch."""
        members = self.stage.read("AttestationRegistry", "committee", self.epoch)
        digest = self.last_id = verdict.digest(self.domain())
        keys = [LocalSigner.from_secret(self.secrets[one - 1]) for one in members[:3]]
        signatures = b"".join(key.sign_digest(digest) for key in keys)
        fields = (verdict.fields(), self.epoch, SEATS, signatures)
        return self.stage.send("AttestationRegistry", "register", *fields)

    def revoke(self, collateral: bytes) -> int:
        """Have three seats say that collateral is revoked."""
        members = self.stage.read("AttestationRegistry", "committee", self.epoch)
        digest = Notice(NoticeKind.REVOKE_COLLATERAL, collateral).digest(self.domain(), self.epoch)
        keys = [LocalSigner.from_secret(self.secrets[one - 1]) for one in members[:3]]
        signatures = b"".join(key.sign_digest(digest) for key in keys)
        fields = (collateral, self.epoch, SEATS, signatures)
        return self.stage.send("AttestationRegistry", "revoke_collateral", *fields)

    def prove(self, fault: Fault, verdict: Verdict, quote: bytes) -> int:
        """Announce and show a proof; the gas of the proof alone."""
        chain = chain_of(quote)
        leaf = chain.leaf if fault in {Fault.QE_SIGNATURE, Fault.CHAIN} else b""
        ca = chain.ca if fault is Fault.CHAIN else b""
        key = self.root_key if fault is Fault.CHAIN else b""
        shown = (int(fault), verdict.fields(), quote, leaf, ca, key, bytes(32))
        return self.stage.send("AttestationFraudProofs", "prove", *shown)

    def quote(self, machine: SoftwareTee | None = None) -> bytes:
        """What a machine says in this epoch."""
        nonce = self.stage.read("AttestationRegistry", "nonce_of", self.epoch)
        subject = Subject(keccak(b"service"), _subject())
        return (machine or self.tee).quote(report_data(self.domain(), subject, nonce))

    def verdict(self, quote: bytes, **lies: object) -> Verdict:
        """What relayers sign over a quote; each one ends later than the one before."""
        parsed = parse_quote(quote)
        self.count += 1
        honest = Verdict(
            evidence_id=evidence_id(parsed),
            quote_hash=keccak(quote),
            bundle_root=keccak(b"bundle", quote),
            service_id=keccak(b"service"),
            signer=_subject(),
            enc_key_hash=bytes(32),
            tls_key_hash=bytes(32),
            measurement_id=self.tee.measurement_id,
            report_data_hash=keccak(parsed.body.report_data),
            gpu_hash=bytes(32),
            tee_type=int(TeeType.TDX),
            tcb_status=1,
            tcb_eval_number=17,
            collateral_hash=keccak(b"collateral"),
            root_key_id=keccak(self.root_key),
            nonce=self.stage.read("AttestationRegistry", "nonce_of", self.epoch),
            not_after=int(self.stage.chain.head.header.timestamp) + 400 + self.count,
        )
        return replace(honest, **lies)  # type: ignore[arg-type]  # fields by name

    def domain(self) -> Domain:
        return Domain(CHAIN_ID, self.stage.contracts["AttestationRegistry"].address)

    def next_committee(self) -> None:
        """A later epoch: who was convicted is not in it."""
        self._pass(int(self.stage.read("StakeManager", "epoch_length")))
        self.draw()

    def _join(self, secret: bytes) -> None:
        key, owner = SecretKey.from_seed(secret), _address(secret)
        self.stage.fund(owner, 1_000 * WEI_PER_COIN)
        public = key.public_key().eip2537()
        digest = self.stage.read("OperatorRegistry", "possession_digest", owner, public)
        proof = key.sign(digest, DST_POSSESSION).eip2537()
        self.stage.send_as(secret, "OperatorRegistry", "register", public, proof)
        stake = 200 * WEI_PER_COIN
        self.stage.value_call(secret, "StakeManager", "join", RELAYER, 0, value=stake)

    def _pass(self, seconds: int) -> None:
        self.stage.chain.increase_time(seconds)
        self.stage.chain.mine()


def forged(raw: bytes, fault: Fault) -> bytes:
    """The same quote with what this fault is about made false, and nothing before it."""
    quote: Quote = parse_quote(raw)
    seal = quote.seal
    if fault is Fault.BINDING:
        seal = replace(seal, qe_auth=bytes(len(seal.qe_auth)))
    elif fault is Fault.SIGNATURE:
        seal = replace(seal, signature=_bent(seal.signature))
    elif fault is Fault.QE_SIGNATURE:
        seal = replace(seal, qe_signature=_bent(seal.qe_signature))
    return encode_quote(quote.version, quote.signed, seal)


def proofs(stage: AttestStage) -> dict[Fault, int]:
    """The gas of each kind of proof, each against a verdict of a new committee."""
    costs = {}
    for fault in Fault:
        stage.next_committee()
        stranger = SoftwareTee(stage.vendor, _foreign(fault), int(time.time()))
        quote = forged(stage.quote(stranger), fault)
        lies = {"evidence_id": keccak(b"another", quote)} if fault is Fault.BODY else {}
        verdict = stage.verdict(quote, **lies)
        stage.register(verdict)
        costs[fault] = stage.prove(fault, verdict, quote)
    return costs


def _foreign(fault: Fault) -> TdPlan:
    """A machine whose leaf another CA signed, where the fault is about that."""
    return TdPlan(compose=COMPOSE, leaf=LeafPlan(by_stranger=fault is Fault.CHAIN))


@contextmanager
def without_precompile() -> Iterator[None]:
    """A chain that answers nothing at 0x100."""
    stage_table = dict(DevnetComputation.get_precompiles())
    kept = stage_table.pop(P256)
    DevnetComputation._precompiles = stage_table  # noqa: SLF001  # py-evm has no public setter
    try:
        yield
    finally:
        DevnetComputation._precompiles = {**stage_table, P256: kept}  # noqa: SLF001


def _refs(value: object) -> Iterator[Ref]:
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, tuple):
        for one in value:
            yield from _refs(one)


def _bent(signature: bytes) -> bytes:
    """Another signature, of nothing."""
    return signature[:32] + keccak(signature)[:1].rjust(32, b"\x01")


def _address(secret: bytes) -> bytes:
    return bytes.fromhex(Account.from_key(secret).address[2:])


def _subject() -> bytes:
    return _address(keccak(b"subject"))


def run() -> list[Row]:
    """Measure everything once."""
    stage = AttestStage()
    figures = {"draw": stage.draw()}
    figures["verdict"] = stage.register(stage.verdict(stage.quote()))
    stage.next_committee()
    figures["refresh"] = stage.register(stage.verdict(stage.quote()))
    figures["revoke"] = stage.revoke(keccak(b"other collateral"))
    stage.next_committee()
    figures["refresh.after_revocation"] = stage.register(stage.verdict(stage.quote()))
    native = proofs(stage)
    figures |= {f"fraud.{fault.name.lower()}": gas for fault, gas in native.items()}
    figures["fraud"] = max(native.values())
    with without_precompile():
        figures["fraud.fallback"] = max(proofs(stage).values())
    figures["punish"] = stage.stage.send("AttestationFraudProofs", "punish", stage.last_id)
    return [
        at_most(f"attest.{name}.gas", gas, "gas", BARS.get(name), command=COMMAND)
        for name, gas in figures.items()
    ]


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
