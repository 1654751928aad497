"""What a run has decided and done, written down before and after each act; sealed on disk.

  entry   kind u8 in the journal | nonce 12 | AES-256-GCM(JSON), aad = run 32 | kind
  key     HKDF-SHA-256(memory key of the epoch, "apogee/run journal" | run)

BEGUN the intent; ORDERED a signed request that is about to be sent; VOID one that was refused; DONE
an act with its value and the step that the run log shows; ENDED the log. A process that opens it
again knows for every act whether it was done, may have been, or was not begun.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from offchain.agents.run_log import Step
from offchain.agents.runtime_errors import JournalForeign
from offchain.agents.think import voucher_in
from offchain.node.journal import Entry, Journal

_NONCE_BYTES: Final = 12
Body = Mapping[str, object]


class Kind(IntEnum):
    """What an entry says."""

    BEGUN = 1
    ORDERED = 2
    VOID = 3
    DONE = 4
    ENDED = 5


@dataclass(slots=True)
class Past:
    """What the entries say together."""

    begun: Body | None = None
    orders: dict[str, bytes] = field(default_factory=dict)
    done: dict[str, Body] = field(default_factory=dict)  # in order
    ended: Body | None = None

    @property
    def steps(self) -> tuple[Step, ...]:
        """What was done, in order."""
        return tuple(Step.from_json(_object(one["step"])) for one in self.done.values())

    @property
    def spent(self) -> int:
        """What its acts have cost."""
        return sum(one.spend for one in self.steps)


class RunJournal:
    """One run's entries; `past` grows with what is written."""

    def __init__(self, journal: Journal, run: bytes, memory_key: bytes) -> None:
        info = b"apogee/run journal" + run
        self._aead = AESGCM(HKDF(SHA256(), 32, salt=None, info=info).derive(memory_key))
        self._journal = journal
        self._run = run
        self.past = Past()

    def open(self) -> Past:
        """Read what there is. Raises: JournalForeign, JournalBroken."""
        for entry in self._journal.entries():
            self._note(_kind(entry.kind), self._opened(entry))
        return self.past

    async def write(self, kind: Kind, body: Body) -> None:
        """Durable on return."""
        raw = json.dumps(body).encode()
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._aead.encrypt(nonce, raw, self._bound(kind))
        await self._journal.append(Entry(kind, sealed))
        self._note(kind, body)

    def nonces(self, provider: bytes) -> set[int]:
        """Of the vouchers that were written down before they were sent."""
        found = (voucher_in(raw).voucher for raw in self.past.orders.values())
        return {one.nonce for one in found if one.provider == provider}

    def _opened(self, entry: Entry) -> Body:
        nonce, sealed = entry.body[:_NONCE_BYTES], entry.body[_NONCE_BYTES:]
        try:
            found = json.loads(self._aead.decrypt(nonce, sealed, self._bound(entry.kind)))
        except (InvalidTag, ValueError) as error:
            raise JournalForeign(entry=entry.kind) from error
        if not isinstance(found, dict):
            raise JournalForeign(entry=entry.kind)
        return found

    def _bound(self, kind: int) -> bytes:
        return self._run + bytes([kind])

    def _note(self, kind: Kind, body: Body) -> None:
        past = self.past
        match kind:
            case Kind.BEGUN:
                past.begun = body
            case Kind.ORDERED:
                past.orders[str(body["act"])] = bytes.fromhex(str(body["order"]))
            case Kind.VOID:
                past.orders.pop(str(body["act"]), None)
            case Kind.DONE:
                past.done[str(body["act"])] = body
            case Kind.ENDED:
                past.ended = body


def _kind(number: int) -> Kind:
    try:
        return Kind(number)
    except ValueError as error:
        raise JournalForeign(entry=number) from error


def _object(found: object) -> Body:
    assert isinstance(found, dict), "the journal holds what was written"
    return found
