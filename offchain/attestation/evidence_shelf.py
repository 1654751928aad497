"""Evidence in a folder, by its id: the bundle as it came, and who signed which verdict over it.

  <evidence id>.bundle    the JSON of offchain/attestation/bundle.py
  <evidence id>.verdict   17 words of the verdict, then 65 bytes a signature

A bundle is durable before a verdict over it is signed: who vouches must be able to show the bytes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from offchain.attestation.bundle import Bundle, BundleMalformed, parse_bundle
from offchain.attestation.model import VERDICT_WORDS, parse_verdict
from offchain.attestation.relay_errors import EvidenceUnknown
from offchain.attestation.relay_ports import SignedVerdict
from offchain.core.ecdsa import SIGNATURE_BYTES
from offchain.core.errors import InvalidInput
from offchain.core.hashing import DIGEST_BYTES
from offchain.node.disk import Disk, refused, remove_durably, remove_leftovers, write_durably
from offchain.node.errors import StoreBroken

BUNDLE: Final = ".bundle"
VERDICT: Final = ".verdict"
_WORDS_BYTES: Final = DIGEST_BYTES * VERDICT_WORDS


class EvidenceShelf:
    """Blocking; called in a thread. Raises: StoreFull, StoreBroken."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._folder = folder
        remove_leftovers(disk, folder)

    def keep(self, evidence_id: bytes, bundle: Bundle) -> None:
        """Durable on return; what is there already stays."""
        if self._read(evidence_id, BUNDLE) is None:
            write_durably(self._disk, self._path(evidence_id, BUNDLE), [bundle.to_json()])

    def note(self, evidence_id: bytes, signed: Sequence[SignedVerdict]) -> None:
        """Write down the signatures of one verdict, instead of those known before."""
        assert signed, "a verdict is noted with its signatures"
        parts = [signed[0].verdict.struct_words(), *(one.signature for one in signed)]
        write_durably(self._disk, self._path(evidence_id, VERDICT), parts)

    def find(self, evidence_id: bytes) -> Bundle | None:
        """Raises: StoreBroken when the bytes are not those that were kept, as well."""
        raw = self._read(evidence_id, BUNDLE)
        if raw is None:
            return None
        try:
            return parse_bundle(raw)
        except BundleMalformed as error:
            raise StoreBroken(file=self._path(evidence_id, BUNDLE).name) from error

    def show(self, evidence_id: bytes) -> Bundle:
        """Raises: EvidenceUnknown as well."""
        found = self.find(evidence_id)
        if found is None:
            raise EvidenceUnknown(evidence=evidence_id.hex())
        return found

    def signed(self, evidence_id: bytes) -> tuple[SignedVerdict, ...]:
        """The signatures noted; none where there is no verdict."""
        raw = self._read(evidence_id, VERDICT)
        if raw is None:
            return ()
        signatures = raw[_WORDS_BYTES:]
        if not signatures or len(signatures) % SIGNATURE_BYTES:
            raise StoreBroken(file=self._path(evidence_id, VERDICT).name)
        try:
            verdict = parse_verdict(raw[:_WORDS_BYTES])
        except InvalidInput as error:
            raise StoreBroken(file=self._path(evidence_id, VERDICT).name) from error
        places = range(0, len(signatures), SIGNATURE_BYTES)
        return tuple(SignedVerdict(verdict, signatures[at : at + SIGNATURE_BYTES]) for at in places)

    def known(self) -> list[bytes]:
        """The ids of all evidence kept."""
        names = self._disk.names(self._folder)
        return [bytes.fromhex(one.removesuffix(BUNDLE)) for one in names if one.endswith(BUNDLE)]

    def forget(self, evidence_id: bytes) -> None:
        for suffix in (VERDICT, BUNDLE):
            if self._read(evidence_id, suffix) is not None:
                remove_durably(self._disk, self._path(evidence_id, suffix))

    def _read(self, evidence_id: bytes, suffix: str) -> bytes | None:
        path = self._path(evidence_id, suffix)
        try:
            return self._disk.read(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise refused(error, path) from error

    def _path(self, evidence_id: bytes, suffix: str) -> Path:
        return self._folder / f"{evidence_id.hex()}{suffix}"
