"""A provider whose encryption key stands in a live verdict, and a buyer who asks it in private."""

from dataclasses import dataclass, replace

from offchain.attestation.model import Verdict
from offchain.attestation.report_data import Domain
from offchain.compute.adapters.http_buyer import HttpProviderClient
from offchain.compute.adapters.memory_market import MemoryMarket
from offchain.compute.adapters.memory_offers import MemoryOffers
from offchain.compute.adapters.scripted_engine import Script
from offchain.compute.buy import Buyer
from offchain.compute.evidence import EvidenceShelf
from offchain.compute.model import Level, Verifiability
from offchain.compute.onchain_escrow import ComputeEscrowClient
from offchain.compute.private_form import key_hash
from offchain.compute.private_keys import EnclaveKeys, LiveEvidence, MemoryEvidence, ShownKey
from offchain.compute.private_source import KeySource
from offchain.core.hashing import keccak
from offchain.sdk.compute import AsyncCompute, ComputeParts
from tests.support.compute import NOW, PAYER, SIGNER
from tests.support.compute_provider import CHAT, World, a_market, a_world

REGISTRY = Domain(31_337, b"\xa7" * 20)
UNTIL = NOW + 86_400


def a_verdict(public: bytes, service: bytes = CHAT, **changes: object) -> Verdict:
    """What relayers said of the enclave that holds this key."""
    verdict = Verdict(
        evidence_id=keccak(b"evidence"),
        quote_hash=keccak(b"quote"),
        bundle_root=keccak(b"bundle"),
        service_id=service,
        signer=SIGNER.address,
        enc_key_hash=key_hash(public),
        tls_key_hash=bytes(32),
        measurement_id=keccak(b"measurement"),
        report_data_hash=keccak(b"report data"),
        gpu_hash=bytes(32),
        tee_type=0x81,
        tcb_status=1,
        tcb_eval_number=17,
        collateral_hash=keccak(b"collateral"),
        root_key_id=keccak(b"a devnet's root"),
        nonce=keccak(b"nonce"),
        not_after=UNTIL,
    )
    return replace(verdict, **changes)


def live_of(verdict: Verdict, level: Level = Level.MODEL_IN_TEE) -> LiveEvidence:
    """What the registry says while the verdict is live."""
    return LiveEvidence(
        REGISTRY,
        verdict.digest(REGISTRY),
        verdict.service_id,
        level,
        verdict.simulated,
        verdict.not_after,
    )


@dataclass
class Attested:
    """A world with evidence; `shown` is what the provider shows, whatever is true."""

    world: World
    keys: EnclaveKeys
    evidence: MemoryEvidence
    offers: MemoryOffers
    service: bytes

    def show(self, public: bytes, verdict: Verdict) -> None:
        self.offers.shown[self.service] = ShownKey(public, verdict)

    def attest(self, public: bytes, level: Level = Level.MODEL_IN_TEE, **changes: object) -> None:
        """A verdict about this key is live, and shown."""
        verdict = a_verdict(public, self.service, **changes)
        live = live_of(verdict, level)
        self.evidence.verdicts[SIGNER.address] = live
        found = Verifiability(level, live.is_simulated, live.until)
        self.world.market.state.levels[self.service] = found
        self.show(public, verdict)

    def source(self) -> KeySource:
        return KeySource(self.world.market, self.evidence, self.offers)

    def buyer(self, client: HttpProviderClient, *, may_simulate: bool = True) -> Buyer:
        world = self.world
        return Buyer(
            world.market,
            world.market,
            client,
            PAYER,
            clock=world.clock,
            may_simulate=may_simulate,
            evidence=self.evidence,
        )

    def compute(self, buyer: Buyer) -> AsyncCompute:
        async def parts() -> ComputeParts:
            return ComputeParts(
                self.world.market,
                self.world.market,
                ComputeEscrowClient.__new__(ComputeEscrowClient),  # nothing here sends
                buyer,
                PAYER.address,
                keys=self.source(),
            )

        return AsyncCompute(parts)


async def an_attested_world(
    script: Script | None = None,
    *,
    service: bytes = CHAT,
    market: MemoryMarket | None = None,
    shelf: EvidenceShelf | None = None,
) -> Attested:
    """Not on a socket yet."""
    keys, evidence = EnclaveKeys(), MemoryEvidence()
    world = await a_world(
        market or a_market(), script, evidence=shelf, keys=keys, attested=evidence
    )
    found = Attested(world, keys, evidence, MemoryOffers(), service)
    found.attest(keys.public)
    await world.watch.refresh()
    return found
