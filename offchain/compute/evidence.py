"""What a provider keeps of each answer: enough to repeat it, and to open it to a court or an audit.

  file   JSON {"version": 1, "route", "receipt": 16 words, "signature", "answer": base64,
         "leaf_hashes": [...], "header": hex, "voucher_digest": hex, "body": base64 | null,
         "leaves": [hex ...] | null}

Body and leaves, which hold the prompt, are kept only of requests that allow an audit (`audit_ok`).
Source: docs/protocol/compute.md#provider.
"""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from offchain.compute.answers import Route
from offchain.compute.batch import BatchFileBroken, parse_receipt
from offchain.compute.commitment import Commitment, Opening, leaf_hash, open_header
from offchain.compute.model import SignedReceipt
from offchain.core.errors import Corrupt
from offchain.node.disk import Disk, refused, remove_durably, remove_leftovers, write_durably

VERSION: Final = 1
SUFFIX: Final = ".json"


class EvidenceBroken(Corrupt):
    """A kept answer cannot be read."""

    code = "compute.evidence.broken"
    next_step = "Look at the disk the provider's folder is on; this answer cannot be opened."


@dataclass(frozen=True, slots=True)
class Evidence:
    """One answer: its canonical bytes and what its commitment was made of."""

    route: Route
    signed: SignedReceipt
    answer: bytes = field(repr=False)
    header: bytes = field(repr=False)
    leaf_hashes: tuple[bytes, ...] = field(repr=False)
    voucher_digest: bytes
    body: bytes | None = field(default=None, repr=False)
    leaves: tuple[bytes, ...] | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        route: Route,
        signed: SignedReceipt,
        answer: bytes,
        commitment: Commitment,
        *,
        voucher_digest: bytes,
        audited_body: bytes | None,
    ) -> "Evidence":
        """`audited_body`: the request, when its buyer allows audits to see it."""
        leaves = commitment.leaves
        return cls(
            route=route,
            signed=signed,
            answer=answer,
            header=leaves[0],
            leaf_hashes=tuple(leaf_hash(leaf) for leaf in leaves),
            voucher_digest=voucher_digest,
            body=audited_body,
            leaves=None if audited_body is None else leaves,
        )

    def opening(self) -> Opening:
        """The header of its commitment with its path."""
        return open_header(self.header, self.leaf_hashes)


class EvidenceShelf(Protocol):
    """Answers by request id; blocking, called in a thread. Raises: StoreFull, StoreBroken."""

    def keep(self, evidence: Evidence) -> None:
        """Durable on return."""
        ...

    def find(self, request_id: bytes) -> Evidence | None:
        """Raises: EvidenceBroken."""
        ...

    def drop(self, request_id: bytes) -> None:
        """It is no error when it is gone."""
        ...


class MemoryEvidence:
    """A shelf that forgets with its process."""

    def __init__(self) -> None:
        self._kept: dict[bytes, Evidence] = {}

    def keep(self, evidence: Evidence) -> None:
        self._kept[evidence.signed.receipt.request_id] = evidence

    def find(self, request_id: bytes) -> Evidence | None:
        return self._kept.get(request_id)

    def drop(self, request_id: bytes) -> None:
        self._kept.pop(request_id, None)


class FolderEvidence:
    """A shelf of one file an answer, in 256 folders."""

    def __init__(self, disk: Disk, folder: Path) -> None:
        self._disk = disk
        self._folder = folder
        self._opened: set[Path] = set()

    def keep(self, evidence: Evidence) -> None:
        path = self._path(evidence.signed.receipt.request_id)
        if path.parent not in self._opened:
            remove_leftovers(self._disk, path.parent)
            self._opened.add(path.parent)
        write_durably(self._disk, path, [pack_evidence(evidence)])

    def find(self, request_id: bytes) -> Evidence | None:
        path = self._path(request_id)
        try:
            return parse_evidence(self._disk.read(path))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise refused(error, path) from error

    def drop(self, request_id: bytes) -> None:
        remove_durably(self._disk, self._path(request_id))

    def _path(self, request_id: bytes) -> Path:
        digits = request_id.hex()
        return self._folder / digits[:2] / (digits + SUFFIX)


def pack_evidence(evidence: Evidence) -> bytes:
    """The file of one answer."""
    body, leaves = evidence.body, evidence.leaves
    found = {
        "version": VERSION,
        "route": evidence.route.value,
        "receipt": evidence.signed.receipt.struct_words().hex(),
        "signature": evidence.signed.signature.hex(),
        "answer": _text(evidence.answer),
        "header": evidence.header.hex(),
        "leaf_hashes": [one.hex() for one in evidence.leaf_hashes],
        "voucher_digest": evidence.voucher_digest.hex(),
        "body": None if body is None else _text(body),
        "leaves": None if leaves is None else [one.hex() for one in leaves],
    }
    return json.dumps(found, separators=(",", ":")).encode()


def parse_evidence(raw: bytes) -> Evidence:
    """Raises: EvidenceBroken."""
    try:
        found = json.loads(raw)
        if found["version"] != VERSION:
            raise EvidenceBroken(version=found["version"])
        return Evidence(
            route=Route(found["route"]),
            signed=SignedReceipt(
                parse_receipt(bytes.fromhex(found["receipt"])), bytes.fromhex(found["signature"])
            ),
            answer=base64.b64decode(found["answer"], validate=True),
            header=bytes.fromhex(found["header"]),
            leaf_hashes=_list(found["leaf_hashes"]),
            voucher_digest=bytes.fromhex(found["voucher_digest"]),
            body=_or_none(found["body"], lambda text: base64.b64decode(text, validate=True)),
            leaves=None if found["leaves"] is None else _list(found["leaves"]),
        )
    except (ValueError, KeyError, TypeError, BatchFileBroken) as error:
        raise EvidenceBroken(reason=type(error).__name__) from error


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _list(found: list[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(one) for one in found)


def _or_none(found: str | None, parse: Callable[[str], bytes]) -> bytes | None:
    return None if found is None else parse(found)
