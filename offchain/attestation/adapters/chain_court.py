"""The court of relayers over the contracts: a `ProofDesk`.

A proof is announced in one block and shown in a later one; the salt follows from the reporter's key
and what is proven, so a reporter that was killed announces the same again.
Source: docs/protocol/attestation.md#relayers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from offchain.attestation.adapters.chain_relay import ChainRelay, RelayClients
from offchain.attestation.collect import Equivocation
from offchain.attestation.faults import Fault, ShownChain
from offchain.attestation.model import Verdict
from offchain.attestation.onchain_fraud import (
    AttestationDemandsClient,
    AttestationFraudProofsClient,
    Demanded,
    equivocation_commitment,
    proof_commitment,
)
from offchain.attestation.onchain_registry import Measurement, Voided
from offchain.attestation.prosecute import DemandKind, OpenDemand, Proof
from offchain.attestation.relay_ports import Registered, SubjectPlace
from offchain.chain.due import execute_due
from offchain.chain.followed import Followed
from offchain.chain.model import Block, TypedCall
from offchain.core.ecdsa import DigestSigner
from offchain.core.hashing import keccak
from offchain.core.units import Wei
from offchain.node.leased_sender import Sends

BOND_MARGIN: Final = 125  # percent
_SALT_CONTEXT: Final = keccak(b"apogee.attestation.prosecute.salt.v1")


@dataclass(frozen=True, slots=True)
class CourtClients:
    """The two contracts that make relayers answer for what they signed."""

    relay: RelayClients
    proofs: AttestationFraudProofsClient
    demands: AttestationDemandsClient


class ChainDemands:
    """Which demands wait for an answer, and which lies for their punishment."""

    def __init__(self, clients: CourtClients) -> None:
        self._demands = clients.demands
        self._courts: tuple[AttestationFraudProofsClient | AttestationDemandsClient, ...] = (
            clients.proofs,
            clients.demands,
        )
        self._voided = Followed(
            clients.relay.node,
            clients.relay.registry,
            Voided,
            indexed={},
            first_block=clients.relay.tree.first_block,
            depth=clients.relay.depth,
        )
        self._demanded = Followed(
            clients.relay.node,
            clients.demands,
            Demanded,
            indexed={},
            first_block=clients.relay.tree.first_block,
            depth=clients.relay.depth,
        )

    def open_demands(self, block: Block) -> list[OpenDemand]:
        """Those that nobody has answered or closed."""
        asked = {(one.attestation_id, int(one.kind)) for one in self._demanded.upto(block)}
        found = []
        for attestation_id, kind in sorted(asked):
            told = self._demands.demand_of(attestation_id, kind, at=block.hash)
            if any(told.challenger):
                found.append(OpenDemand(attestation_id, DemandKind(kind), told.deadline))
        return found

    def was_demanded(self, attestation_id: bytes, block: Block) -> bool:
        """Whether anybody has asked for these bytes before."""
        return any(one.attestation_id == attestation_id for one in self._demanded.upto(block))

    def close_call(self, attestation_id: bytes, kind: int) -> TypedCall:
        """What ends a demand that nobody answered in time."""
        return self._demands.close(attestation_id, kind)

    def unpunished(self, block: Block) -> list[tuple[bytes, int]]:
        """Verdicts that are void while their signers' stake is whole, and the court's number."""
        voided = dict.fromkeys(one.attestation_id for one in self._voided.upto(block))
        return [
            (one, number)
            for one in voided
            for number, court in enumerate(self._courts)
            if court.is_sentenced(one, at=block.hash)
        ]

    def punish_call(self, attestation_id: bytes, court: int) -> TypedCall | None:
        """What slashes those who signed; None: there is no such court."""
        return self._courts[court].punish(attestation_id) if court < len(self._courts) else None


class ChainProofDesk:
    """The registry as `ledger` reads it, and what one account sends."""

    def __init__(
        self, clients: CourtClients, ledger: ChainRelay, sender: Sends, reporter: DigestSigner
    ) -> None:
        """`reporter`: the key of the sender's account."""
        self._clients = clients
        self._ledger = ledger
        self._sender = sender
        self._reporter = reporter
        self._open = ChainDemands(clients)

    def head(self) -> Block:
        return self._ledger.head()

    def all_registered(self, block: Block) -> Sequence[tuple[bytes, Verdict]]:
        return self._ledger.all_registered(block)

    def registered(self, evidence_id: bytes, block: Block) -> Registered | None:
        return self._ledger.registered(evidence_id, block)

    def entry_of(self, attestation_id: bytes, block: Block) -> Measurement:
        registry = self._clients.relay.registry
        record = registry.verdict(attestation_id, at=block.hash)
        return registry.measurement_at(record.measurement, at=block.hash)

    def place_of(self, verdict: Verdict, block: Block) -> SubjectPlace | None:
        found = (
            one for one in self._ledger.subjects(block) if one.service_id == verdict.service_id
        )
        return next(found, None)

    def prove(self, attestation_id: bytes, proof: Proof) -> None:
        fault = int(proof.fault)
        signed = self._reporter.sign_digest(keccak(_SALT_CONTEXT, attestation_id, bytes([fault])))
        salt = keccak(_SALT_CONTEXT, signed)
        commitment = proof_commitment(attestation_id, fault, self._reporter.address, salt)
        proofs = self._clients.proofs
        name = f"{attestation_id.hex()}:{proof.fault.name}"
        execute_due(self._sender, proofs.commit(commitment), key=f"attestation.commit:{name}")
        chain = _shown_for(proof)
        call = proofs.prove(fault, proof.verdict, proof.quote, chain, salt)
        execute_due(self._sender, call, key=f"attestation.prove:{name}")
        self._punish(attestation_id)

    def _punish(self, attestation_id: bytes) -> None:
        """Take the stake that a proof has opened; anybody may, and the worker looks after it."""
        proofs, node = self._clients.proofs, self._clients.relay.node
        if proofs.is_sentenced(attestation_id, at=node.block().hash):
            key = f"attestation.punish:{attestation_id.hex()}"
            execute_due(self._sender, proofs.punish(attestation_id), key=key)

    def demand(self, attestation_id: bytes, kind: DemandKind) -> None:
        demands = self._clients.demands
        bond = demands.bond(int(kind), at=self._clients.relay.node.block().hash)
        # The bond follows the base fee; what is too much is credited.
        call = demands.demand(attestation_id, int(kind), bond=Wei(bond * BOND_MARGIN // 100))
        key = f"attestation.demand:{attestation_id.hex()}:{kind.name}"
        execute_due(self._sender, call, key=key)

    def open_demands(self, block: Block) -> Sequence[OpenDemand]:
        return self._open.open_demands(block)

    def was_demanded(self, attestation_id: bytes, block: Block) -> bool:
        return self._open.was_demanded(attestation_id, block)

    def answer(self, kind: DemandKind, verdict: Verdict, quote: bytes, chain: ShownChain) -> None:
        call = self._clients.demands.answer(int(kind), verdict, quote, chain)
        key = f"attestation.answer:{verdict.evidence_id.hex()}:{kind.name}"
        execute_due(self._sender, call, key=key)


class ChainEquivocations:
    """An `EquivocationDesk` of one account."""

    def __init__(self, clients: CourtClients, sender: Sends, reporter: DigestSigner) -> None:
        """`reporter`: the key of the sender's account."""
        self._clients = clients
        self._sender = sender
        self._reporter = reporter

    def prove_equivocation(self, found: Equivocation) -> None:
        first, second = found.first, found.second
        domain = self._clients.relay.domain
        digests = first.verdict.digest(domain), second.verdict.digest(domain)
        salt = keccak(_SALT_CONTEXT, self._reporter.sign_digest(keccak(*digests)))
        commitment = equivocation_commitment(*digests, self._reporter.address, salt)
        proofs, name = self._clients.proofs, keccak(*digests).hex()
        execute_due(self._sender, proofs.commit(commitment), key=f"attestation.commit:{name}")
        call = proofs.prove_equivocation(
            first.verdict,
            second.verdict,
            (first.signature, second.signature),
            epoch=found.epoch,
            salt=salt,
        )
        execute_due(self._sender, call, key=f"attestation.prove:{name}")


def _shown_for(proof: Proof) -> ShownChain:
    """The certificates that the court takes for a fault: none, the leaf, or all."""
    if proof.fault is Fault.CHAIN:
        return proof.chain
    leaf = proof.chain.leaf if proof.fault is Fault.QE_SIGNATURE else b""
    return ShownChain(leaf=leaf)
