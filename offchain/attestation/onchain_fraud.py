"""Clients of AttestationFraudProofs and AttestationDemands: making relayers answer for a verdict.

Method and field names are the contracts'; addresses are 20 raw bytes, bonds wei, times seconds.
Source: docs/protocol/attestation.md#fraud-proofs.
"""

from dataclasses import dataclass

from offchain.attestation.faults import ShownChain
from offchain.attestation.model import Verdict
from offchain.attestation.reverts_attestation import DEMANDS, FRAUD_PROOFS
from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import words
from offchain.core.units import Wei


@dataclass(frozen=True, slots=True)
class Demand:
    """An open demand; `challenger` is zero where none is open."""

    challenger: bytes
    deadline: int
    bond: int


@dataclass(frozen=True, slots=True)
class FaultProven:
    """`reporter` is zero where nobody had announced the proof."""

    attestation_id: bytes
    fault: int
    reporter: bytes


@dataclass(frozen=True, slots=True)
class EquivocationProven:
    operator_id: int
    first: bytes
    second: bytes


@dataclass(frozen=True, slots=True)
class Demanded:
    attestation_id: bytes
    challenger: bytes
    kind: int
    deadline: int
    bond: int


@dataclass(frozen=True, slots=True)
class Answered:
    attestation_id: bytes
    by: bytes
    kind: int
    quote_hash: bytes


@dataclass(frozen=True, slots=True)
class Lapsed:
    attestation_id: bytes
    challenger: bytes
    kind: int


def proof_commitment(attestation_id: bytes, fault: int, reporter: bytes, salt: bytes) -> Digest:
    """What announces a proof a block before it is shown; without, it earns nothing."""
    return keccak(words(attestation_id, fault, reporter, salt))


def equivocation_commitment(first: bytes, second: bytes, reporter: bytes, salt: bytes) -> Digest:
    """The same for two verdicts, by their digests."""
    return proof_commitment(keccak(words(first, second)), 0, reporter, salt)


class AttestationFraudProofsClient(ContractClient):
    """Anyone announces and proves."""

    contract = "AttestationFraudProofs"
    reverts = FRAUD_PROOFS

    def commit(self, commitment: bytes) -> TypedCall:
        return self._build("commit", commitment)

    def prove(
        self, fault: int, verdict: Verdict, quote: bytes, chain: ShownChain, salt: bytes
    ) -> TypedCall:
        """Void a verdict; `chain` holds what the fault needs, empty bytes for the rest."""
        certificates = (chain.leaf, chain.ca, chain.root_key)
        return self._build("prove", int(fault), verdict.fields(), quote, *certificates, salt)

    def prove_equivocation(
        self,
        first: Verdict,
        second: Verdict,
        signatures: tuple[bytes, bytes],
        *,
        epoch: int,
        salt: bytes,
    ) -> TypedCall:
        """One relayer signed both; `epoch` is that of the first one's nonce."""
        encoded = (first.struct_words(), second.struct_words())
        return self._build("prove_equivocation", *encoded, *signatures, epoch, salt)

    def punish(self, attestation_id: bytes) -> TypedCall:
        """Slash those who signed a verdict that a proof has voided."""
        return self._build("punish", attestation_id)

    def is_sentenced(self, attestation_id: bytes, *, at: BlockRef) -> bool:
        """Whether `punish` has something to do."""
        return self._read(bool, "is_sentenced", attestation_id, at=at)

    def evidence_seconds(self, offence: int, *, at: BlockRef) -> int:
        return self._read(int, "evidence_seconds", offence, at=at)


class AttestationDemandsClient(ContractClient):
    """Anyone demands, answers and closes."""

    contract = "AttestationDemands"
    reverts = DEMANDS

    def bond(self, kind: int, *, at: BlockRef) -> Wei:
        """What a demand costs at this block's base fee."""
        return Wei(self._read(int, "bond", int(kind), at=at))

    def open_seconds(self, *, at: BlockRef) -> int:
        """The time for an answer."""
        return self._read(int, "open_seconds", at=at)

    def demand_of(self, attestation_id: bytes, kind: int, *, at: BlockRef) -> Demand:
        return self._read(Demand, "demand_of", attestation_id, int(kind), at=at)

    def credit_of(self, account: bytes, *, at: BlockRef) -> Wei:
        return Wei(self._read(int, "credit_of", account, at=at))

    def demand(self, attestation_id: bytes, kind: int, *, bond: Wei) -> TypedCall:
        """Send a little more than `bond`: the rest is credited."""
        return self._build("demand", attestation_id, int(kind), value_wei=bond)

    def answer(self, kind: int, verdict: Verdict, quote: bytes, chain: ShownChain) -> TypedCall:
        """Show the quote; for a path also leaf, CA and root key."""
        certificates = (chain.leaf, chain.ca, chain.root_key)
        return self._build("answer", int(kind), verdict.fields(), quote, *certificates)

    def close(self, attestation_id: bytes, kind: int) -> TypedCall:
        """End a demand that nobody answered in time, or whose verdict is void."""
        return self._build("close", attestation_id, int(kind))

    def punish(self, attestation_id: bytes) -> TypedCall:
        """Slash those who signed a verdict that silence has voided."""
        return self._build("punish", attestation_id)

    def is_sentenced(self, attestation_id: bytes, *, at: BlockRef) -> bool:
        """Whether `punish` has something to do."""
        return self._read(bool, "is_sentenced", attestation_id, at=at)

    def withdraw(self, to: bytes) -> TypedCall:
        return self._build("withdraw", to)
