"""What KeyDeliveryVerifier lets count: the model that the contract is held against.

Source: docs/protocol/agents.md#bundles-and-delivery.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from offchain.agents.false_delivery import Falsehood


@dataclass(slots=True)
class OracleBookEntry:
    """Who answers for a key, and until when it counts."""

    operator_id: int
    until: int


@dataclass(slots=True)
class VerifierBook:
    """Oracles by key, nonces that were spent, deliveries that were proven false."""

    oracles: dict[bytes, OracleBookEntry] = field(default_factory=dict)
    ended: set[bytes] = field(default_factory=set)  # keys whose verdict is gone
    spent: set[bytes] = field(default_factory=set)
    false: dict[bytes, Falsehood] = field(default_factory=dict)
    named: set[tuple[bytes, int]] = field(default_factory=set)

    def enrol(self, signer: bytes, operator_id: int, until: int) -> None:
        self.oracles[signer] = OracleBookEntry(operator_id, until)

    def counts(self, signer: bytes, *, now: int) -> bool:
        entry = self.oracles.get(signer)
        return entry is not None and now < entry.until

    def expel_refusal(self, signer: bytes, *, now: int, stands: bool) -> str | None:
        """Why a key cannot be expelled now; None where it can."""
        if not self.counts(signer, now=now):
            return "oracle_book: not enrolled"
        return "oracle_book: stands" if stands else None

    def expel(self, signer: bytes, *, now: int) -> None:
        self.oracles[signer].until = now

    def delivery_refusal(
        self, signers: Sequence[bytes], nonce_hash: bytes, *, threshold: int, now: int
    ) -> str | None:
        """Why a delivery with these signers, in the order of the proof, does not count."""
        if len(signers) < threshold:
            return "key_delivery: below quorum"
        operators: set[int] = set()
        last = b""
        for signer in signers:
            if not self.counts(signer, now=now):
                return "key_delivery: not an oracle"
            if signer <= last:
                return "key_delivery: not in order"
            last = signer
            operator_id = self.oracles[signer].operator_id
            if operator_id in operators:
                return "key_delivery: one operator twice"
            operators.add(operator_id)
        return "key_delivery: nonce is spent" if nonce_hash in self.spent else None

    def deliver(self, nonce_hash: bytes) -> None:
        self.spent.add(nonce_hash)

    def prove(self, digest: bytes, kind: Falsehood) -> None:
        self.false[digest] = kind

    def punish_refusal(self, digest: bytes, signers: Sequence[bytes]) -> str | None:
        """Why nobody is named for a delivery; None where somebody is."""
        if digest not in self.false:
            return "false_deliveries: not proven"
        return None if self.guilty(digest, signers) else "false_deliveries: nobody to punish"

    def guilty(self, digest: bytes, signers: Sequence[bytes]) -> list[int]:
        """Operators to be named now, each once and for ever."""
        known = [self.oracles[one].operator_id for one in signers if one in self.oracles]
        fresh = dict.fromkeys(one for one in known if (digest, one) not in self.named)
        return list(fresh)

    def punish(self, digest: bytes, signers: Sequence[bytes]) -> list[int]:
        found = self.guilty(digest, signers)
        self.named |= {(digest, one) for one in found}
        return found
