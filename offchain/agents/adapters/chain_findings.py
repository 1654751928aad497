"""Deliveries that were proven false, and who signed them, read from the chain.

No event tells the signatures of a delivery: they stand in the transaction that showed it, after the
new file's place and the deadline, whichever contract carried them. Source:
docs/protocol/agents.md#bundles-and-delivery.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from offchain.agents.delivery import DEADLINE_BYTES, MAX_SIGNERS
from offchain.agents.onchain_verifier import (
    DeliveryProvenFalse,
    DeliveryVerified,
    KeyDeliveryVerifierClient,
    OraclePunished,
)
from offchain.chain.event_ranges import logs_between
from offchain.chain.followed import Followed
from offchain.chain.model import Block, TypedCall
from offchain.chain.node import Node
from offchain.core.ecdsa import SIGNATURE_BYTES, signer_of

MOST: Final = 16  # newest findings that are looked at in one round
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FindingClients:
    """Where findings are read; `depth` blocks may still be replaced."""

    node: Node
    verifier: KeyDeliveryVerifierClient
    first_block: int
    depth: int


class ChainFindings:
    """False deliveries whose signers may still be punished. One thread's."""

    def __init__(self, clients: FindingClients) -> None:
        self._clients = clients
        self._false = self._follow(DeliveryProvenFalse)
        self._punished = self._follow(OraclePunished)
        self._signatures: dict[bytes, tuple[bytes, ...]] = {}

    def unpunished(self, block: Block) -> list[bytes]:
        """Digests of which a signer was not named yet, newest first."""
        named = {(one.digest, one.operator_id) for one in self._punished.upto(block)}
        found = dict.fromkeys(one.digest for one in self._false.upto(block))
        return [
            digest
            for digest in list(reversed(found))[:MOST]
            if any((digest, one) not in named for one in self._operators(digest, block))
        ]

    def punish_call(self, digest: bytes, block: Block) -> TypedCall | None:
        """None where the delivery was shown to nobody on chain."""
        signatures = self.signatures_of(digest, block)
        return self._clients.verifier.punish(digest, list(signatures)) if signatures else None

    def signatures_of(self, digest: bytes, block: Block) -> tuple[bytes, ...]:
        """Of the oracles that signed a delivery; none where it never was verified on chain."""
        if digest not in self._signatures:
            found = max(self._told(digest, block), key=len, default=())
            if not found:
                return ()
            self._signatures[digest] = found
        return self._signatures[digest]

    def _told(self, digest: bytes, block: Block) -> Iterator[tuple[bytes, ...]]:
        """What may be its signatures: each place of the transaction that looks like them."""
        clients = self._clients
        span = (clients.first_block, block.number)
        for log in logs_between(clients.node, clients.verifier, DeliveryVerified, span, {}):
            [verified] = clients.verifier.events_in(DeliveryVerified, [log])
            if verified.digest != digest:
                continue
            raw = clients.node.input_of(log.transaction_hash) or b""
            mark = verified.deadline.to_bytes(DEADLINE_BYTES, "big")
            at = raw.find(mark)
            while at != -1:
                yield signatures_after(raw[at + DEADLINE_BYTES :], digest)
                at = raw.find(mark, at + 1)

    def _operators(self, digest: bytes, block: Block) -> Iterator[int]:
        """Who answers for a delivery's signatures."""
        for one in self.signatures_of(digest, block):
            signer = signer_of(digest, one)
            assert signer is not None, "looked at when it was read"
            entry = self._clients.verifier.oracle(signer, at=block.hash)
            if entry.operator_id:
                yield entry.operator_id

    def _follow(self, kind: type[T]) -> Followed[T]:
        clients = self._clients
        return Followed(
            clients.node,
            clients.verifier,
            kind,
            indexed={},
            first_block=clients.first_block,
            depth=clients.depth,
        )


def signatures_after(raw: bytes, digest: bytes) -> tuple[bytes, ...]:
    """Signatures of a digest by ascending signers, as a proof lists them, until something else."""
    found: list[bytes] = []
    last = b""
    for start in range(0, MAX_SIGNERS * SIGNATURE_BYTES, SIGNATURE_BYTES):
        one = raw[start : start + SIGNATURE_BYTES]
        signer = signer_of(digest, one)
        if signer is None or signer <= last:
            break
        found.append(one)
        last = signer
    return tuple(found)
