"""A court in this process's memory that judges equivocations and takes no money.

The second adapter of `Court`, over a memory chain: commitments count from the next block, evidence
is read back from its 36 words and verified, an offence is opened once.
"""

from py_arkworks_bls12381 import G2Point

from offchain.core.bls import PublicKey, Signature, verify
from offchain.core.errors import Rejected
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from offchain.core.units import Seconds
from offchain.da.accuse import DA_EQUIVOCATION
from offchain.da.adapters.memory_chain import MemoryChain
from offchain.da.model import Attestation, attestation_digest, equivocation_subject
from offchain.da.ports import Settlement

_WORDS = 36
_STATEMENT = 7
_SIGNATURE = 8


class MemoryCourt:
    """Commit in one block, report in a later one; `offences` is what was proven."""

    def __init__(self, chain: MemoryChain, reporter: bytes) -> None:
        self._chain = chain
        self._reporter = reporter
        self._commitments: dict[bytes, int] = {}
        self.offences: dict[bytes, bool] = {}

    def committed_block(self, commitment: bytes) -> int | None:
        return self._commitments.get(commitment)

    def commit(self, commitment: bytes) -> Settlement:
        if commitment in self._commitments:
            raise Rejected("court: committed already")
        self._chain.mine()
        self._commitments[commitment] = self._chain.head().block
        return Settlement(keccak(b"commit", commitment), 0)

    def report(self, offence: int, evidence: bytes, salt: bytes) -> tuple[bytes, Settlement]:
        if offence != DA_EQUIVOCATION:
            raise Rejected("da_challenges: unknown offence")
        subject = self._judge(evidence)
        if subject in self.offences:
            raise Rejected("court: known offence")
        commitment = keccak(words(keccak(evidence), self._reporter, salt))
        block = self._commitments.pop(commitment, None)
        self.offences[subject] = block is not None and block < self._chain.head().block + 1
        self._chain.mine()
        return subject, Settlement(keccak(b"report", evidence), 0)

    def _judge(self, evidence: bytes) -> bytes:
        """The subject of evidence that holds. Raises: Rejected, InvalidPoint."""
        if len(evidence) != 32 * _WORDS:
            raise Rejected("equivocation: wrong length")
        parts = [evidence[start : start + 32] for start in range(0, len(evidence), 32)]
        blob_id, seed = parts[0], parts[1]
        key = PublicKey.parse(b"".join(parts[2:6]))
        digests = []
        for start in (6, 6 + _STATEMENT + _SIGNATURE):
            epoch, quorum, root, commitment, columns, length, expiry = parts[
                start : start + _STATEMENT
            ]
            digest = attestation_digest(
                Attestation(
                    blob_id,
                    int.from_bytes(epoch, "big"),
                    int.from_bytes(quorum, "big"),
                    seed,
                    root,
                    commitment,
                    int.from_bytes(columns, "big"),
                    int.from_bytes(length, "big"),
                    Seconds(int.from_bytes(expiry, "big")),
                ),
                self._chain.domain(),
            )
            raw = b"".join(parts[start + _STATEMENT : start + _STATEMENT + _SIGNATURE])
            if not _is_signed(key, digest, raw):
                raise Rejected("equivocation: wrong signature")
            digests.append(digest)
        if digests[0] == digests[1]:
            raise Rejected("equivocation: same statement")
        return equivocation_subject(blob_id, seed, key)


def _is_signed(key: PublicKey, digest: bytes, eip2537: bytes) -> bool:
    """Whether an EIP-2537 G2 signature verifies."""
    coordinates = b"".join(eip2537[start + 16 : start + 64] for start in range(0, 256, 64))
    try:
        point = G2Point.from_xy_bytes_be(coordinates)
    except (ValueError, TypeError):
        return False
    return verify(key, digest, Signature.parse(bytes(point.to_compressed_bytes())))
