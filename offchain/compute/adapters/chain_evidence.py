"""Evidence behind signers, read from AttestationRegistry: what is live, what stood, how it came."""

from dataclasses import dataclass

from offchain.attestation.model import MeasurementClass, Verdict
from offchain.attestation.onchain_registry import AttestationRegistryClient, Registered
from offchain.attestation.policy import MeasurementEntry
from offchain.attestation.report_data import Domain
from offchain.chain.model import BlockRef
from offchain.chain.ports import ChainReader
from offchain.compute.private_keys import LiveEvidence
from offchain.compute.trust import Judged, level_of


@dataclass(frozen=True, slots=True)
class ChainEvidence:
    """An `EvidenceLedger` and a `TrustLedger`. `first_block`: nothing was registered before it."""

    registry: AttestationRegistryClient
    node: ChainReader
    first_block: int = 0

    def domain(self) -> Domain:
        return Domain(self.node.chain_id(), self.registry.address)

    def live(self, signer: bytes, time: int, *, at: BlockRef) -> LiveEvidence | None:
        found = self.registry.live(signer, time, at=at)
        if not any(found.attestation_id):
            return None
        return LiveEvidence(
            domain=self.domain(),
            attestation_id=found.attestation_id,
            service=found.service,
            level=level_of(found.measurement_class),
            is_simulated=found.simulated,
            until=found.until,
        )

    def stood(self, attestation_id: bytes, signer: bytes, time: int, *, at: BlockRef) -> bool:
        return self.registry.stood(attestation_id, time, at=at) and any(
            one.signer == signer for one in self._registered(attestation_id)
        )

    def judged(self, signed_at: int, verdict: Verdict, epoch: int, *, at: BlockRef) -> Judged:
        registry, block = self.registry, self.node.block(at)
        named = verdict.digest(self.domain())
        in_force, announced, binds_from = registry.min_eval_number(at=at)
        is_bound = binds_from and block.timestamp >= binds_from
        return Judged(
            domain=self.domain(),
            block=block.number,
            now=block.timestamp,
            stood=registry.stood(named, signed_at, at=at),
            relayers=tuple(registry.relayers_of(named, at=at)),
            nonce=registry.nonce_of(epoch, at=at),
            entry=self._entry(verdict.measurement_id, at),
            min_eval_number=announced if is_bound else in_force,
        )

    def _entry(self, measurement_id: bytes, at: BlockRef) -> MeasurementEntry | None:
        """None when it is not listed, or not any more."""
        found = self.registry.measurement(measurement_id, at=at)
        if found.measurement_id != measurement_id or found.delisted_at:
            return None
        return MeasurementEntry(
            measurement_id=found.measurement_id,
            measurement_class=MeasurementClass(found.measurement_class),
            valid_until=found.valid_until,
            td_attributes=int.from_bytes(found.td_attributes, "little"),
            xfam=int.from_bytes(found.xfam, "little"),
        )

    def _registered(self, attestation_id: bytes) -> list[Registered]:
        wanted = self.registry.event_filter(
            Registered,
            first_block=self.first_block,
            last_block=self.node.block().number,
            indexed={"attestation_id": attestation_id},
        )
        return self.registry.events_in(Registered, self.node.logs(wanted))
