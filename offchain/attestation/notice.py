"""Two kinds of notice that a committee may give of platforms and collateral: digests and form.

  RAISE_EVALUATION   platforms judged by an older TCB evaluation number are out of date
  REVOKE_COLLATERAL  collateral with this hash was revoked by its vendor

A relayer signs a notice for one epoch; a quorum of that epoch's seats makes it count. On the wire:
{"kind": "raise_evaluation", "what": "18" | "0x..", "epoch": 5}.
Source: docs/protocol/attestation.md#registry, contracts/attestation/notices.vy.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from pydantic_core import from_json

from offchain.attestation.model import DOMAIN_NAME, DOMAIN_VERSION
from offchain.attestation.relay_forms import FormMalformed
from offchain.attestation.relay_ports import Bench
from offchain.attestation.report_data import Domain
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import domain_of, typed_digest

MAX_NOTICE_BYTES: Final = 512
MAX_NUMBER: Final = (1 << 32) - 1
HASH_TEXT: Final = 66  # 0x and 64 digits


class NoticeKind(Enum):
    """The type that is signed, by its name on the wire."""

    RAISE_EVALUATION = "raise_evaluation"
    REVOKE_COLLATERAL = "revoke_collateral"


TYPES: Final = {
    NoticeKind.RAISE_EVALUATION: keccak(b"EvaluationNotice(uint32 number,uint64 epoch)"),
    NoticeKind.REVOKE_COLLATERAL: keccak(b"CollateralNotice(bytes32 collateralHash,uint64 epoch)"),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """One notice; `what` is an evaluation number or a collateral hash."""

    kind: NoticeKind
    what: int | bytes

    def digest(self, domain: Domain, epoch: int) -> Digest:
        """What a seat of this epoch signs."""
        separator = domain_of(
            DOMAIN_NAME, DOMAIN_VERSION, chain_id=domain.chain_id, contract=domain.registry
        )
        return typed_digest(separator, TYPES[self.kind], self.what, epoch)

    def text(self) -> str:
        return str(self.what) if isinstance(self.what, int) else "0x" + self.what.hex()

    def to_json(self, epoch: int) -> bytes:
        told = {"kind": self.kind.value, "what": self.text(), "epoch": epoch}
        return json.dumps(told, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class NoticePosting:
    """What the registry takes: bit i of `seats`: seat i of the epoch's committee has signed."""

    notice: Notice
    epoch: int
    seats: int
    signatures: tuple[bytes, ...]


def notice_of(kind: str, what: str) -> Notice:
    """As it is typed or written. Raises: FormMalformed."""
    if kind not in {one.value for one in NoticeKind}:
        raise FormMalformed(part="kind", kind=kind[:40])
    found = NoticeKind(kind)
    if found is NoticeKind.RAISE_EVALUATION:
        if not (what.isascii() and what.isdigit() and 0 < len(what) <= 10):
            raise FormMalformed(part="number")
        if not 0 < int(what) <= MAX_NUMBER:
            raise FormMalformed(part="number")
        return Notice(found, int(what))
    try:
        raw = bytes.fromhex(what.removeprefix("0x"))
    except ValueError as error:
        raise FormMalformed(part="hash") from error
    if len(what) != HASH_TEXT or len(raw) != len(bytes(32)):
        raise FormMalformed(part="hash")
    return Notice(found, raw)


def parse_notice(raw: bytes) -> tuple[Notice, int]:
    """A notice and the epoch it is asked for. Raises: FormMalformed."""
    if len(raw) > MAX_NOTICE_BYTES:
        raise FormMalformed(bytes=len(raw), maximum=MAX_NOTICE_BYTES)
    try:
        found = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise FormMalformed(part="json") from error
    if not isinstance(found, dict) or set(found) != {"kind", "what", "epoch"}:
        raise FormMalformed(part="notice")
    kind, what, epoch = found["kind"], found["what"], found["epoch"]
    if not isinstance(kind, str) or not isinstance(what, str):
        raise FormMalformed(part="notice")
    if type(epoch) is not int or not 0 <= epoch < 1 << 63:
        raise FormMalformed(part="epoch")
    return notice_of(kind, what), epoch


def posting_of(
    notice: Notice, signed: Mapping[int, bytes], epoch: int, bench: Bench
) -> NoticePosting | None:
    """What the registry takes of signatures by operator; None while too few have signed."""
    committee = next((one for one in bench.committees if one.epoch == epoch), None)
    if committee is None:
        return None
    seated = [
        (seat, signed[member]) for seat, member in enumerate(committee.members) if member in signed
    ][: bench.quorum]
    if len(seated) < bench.quorum:
        return None
    bits = sum(1 << seat for seat, _ in seated)
    return NoticePosting(notice, epoch, bits, tuple(one for _, one in seated))
