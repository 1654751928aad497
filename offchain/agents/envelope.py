"""Signed envelopes between agents: who says what to whom, once, in order, and not for ever.

  Envelope(address from,address to,bytes32 conversation,uint64 seq,uint64 sent,uint64 expires,
           bytes32 bodyHash,bytes32 voucher)     EIP-712, domain "Apogee Agent Messages" of `from`

`from` and `to` are agents' accounts, or wallets; the owner of `from`, or a session key of its
present epoch that may sign under this domain, signs, and a wallet for itself. `seq` counts from 1
in one direction of a conversation, without gaps; `voucher` is the request id of the payment that
comes with it, zero for none. A body is data.
Source: docs/protocol/agents.md#envelopes.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol, Self

from offchain.agents.runtime_errors import EnvelopeRefused
from offchain.core.ecdsa import DigestSigner, signer_of
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import domain_of, typed_digest
from offchain.node.journal import Entry, Journal

ENVELOPE_TYPE: Final = keccak(
    b"Envelope(address from,address to,bytes32 conversation,uint64 seq,uint64 sent,uint64 expires,"
    b"bytes32 bodyHash,bytes32 voucher)"
)
NO_VOUCHER: Final = bytes(32)
CLOCK_SECONDS: Final = 60
MOST_SECONDS: Final = 3_600
CONVERSATIONS: Final = 4_096
MAX_BODY_BYTES: Final = 262_144
_TAKEN: Final = 1  # kind of a journal's entry: from 20 | conversation 32 | u64 seq | u64 expires


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message without its body."""

    sender: bytes
    to: bytes
    conversation: bytes
    seq: int
    sent: int
    expires: int
    body_hash: bytes
    voucher: bytes = NO_VOUCHER

    def digest(self, domain: bytes) -> Digest:
        return typed_digest(
            domain,
            ENVELOPE_TYPE,
            self.sender,
            self.to,
            self.conversation,
            self.seq,
            self.sent,
            self.expires,
            self.body_hash,
            self.voucher,
        )


@dataclass(frozen=True, slots=True)
class SignedEnvelope:
    """An envelope with its 65 bytes."""

    envelope: Envelope
    signature: bytes

    def as_json(self) -> dict[str, object]:
        one = self.envelope
        return {
            "from": "0x" + one.sender.hex(),
            "to": "0x" + one.to.hex(),
            "conversation": "0x" + one.conversation.hex(),
            "seq": one.seq,
            "sent": one.sent,
            "expires": one.expires,
            "bodyHash": "0x" + one.body_hash.hex(),
            "voucher": "0x" + one.voucher.hex(),
            "signature": "0x" + self.signature.hex(),
        }

    @classmethod
    def from_json(cls, found: object) -> Self:
        """Raises: EnvelopeRefused."""
        if not isinstance(found, Mapping):
            raise EnvelopeRefused(reason="form")
        numbers = [found.get(name) for name in ("seq", "sent", "expires")]
        if any(type(one) is not int or not 0 <= one < 1 << 63 for one in numbers):
            raise EnvelopeRefused(reason="form")
        seq, sent, expires = (int(str(one)) for one in numbers)
        return cls(
            Envelope(
                sender=_raw(found.get("from"), 20),
                to=_raw(found.get("to"), 20),
                conversation=_raw(found.get("conversation"), 32),
                seq=seq,
                sent=sent,
                expires=expires,
                body_hash=_raw(found.get("bodyHash"), 32),
                voucher=_raw(found.get("voucher"), 32),
            ),
            _raw(found.get("signature"), 65),
        )


def message_domain(chain_id: int, sender: bytes) -> Digest:
    """The domain that an account's sessions have to list to speak for it."""
    return domain_of("Apogee Agent Messages", "1", chain_id=chain_id, contract=sender)


class PeerRights(Protocol):
    """What the chain says of a peer's key; blocking."""

    def may_sign(self, account: bytes, key: bytes, domain: bytes) -> bool:
        """Whether the key is the owner's, or of a live session of the present epoch."""
        ...


@dataclass(frozen=True, slots=True)
class Speaker:
    """An agent that writes: its account, and the key that signs for it."""

    account: bytes
    chain_id: int
    signer: DigestSigner = field(repr=False)

    def sign(self, envelope: Envelope) -> SignedEnvelope:
        domain = message_domain(self.chain_id, self.account)
        return SignedEnvelope(envelope, self.signer.sign_digest(envelope.digest(domain)))


@dataclass(slots=True)
class Conversation:
    """One conversation as its speaker counts it."""

    speaker: Speaker
    to: bytes
    id: bytes
    seq: int = 0

    def say(
        self, body: bytes, now: int, *, seconds: int = 300, voucher: bytes = NO_VOUCHER
    ) -> SignedEnvelope:
        """The next envelope."""
        self.seq += 1
        envelope = Envelope(
            sender=self.speaker.account,
            to=self.to,
            conversation=self.id,
            seq=self.seq,
            sent=now,
            expires=now + seconds,
            body_hash=keccak(body),
            voucher=voucher,
        )
        return self.speaker.sign(envelope)


class Replies:
    """The conversations in which one speaker answers; the oldest are forgotten."""

    def __init__(self, speaker: Speaker) -> None:
        self._speaker = speaker
        self._talks: dict[tuple[bytes, bytes], Conversation] = {}

    def to(self, one: Envelope) -> Conversation:
        """The one that an envelope belongs to."""
        name = one.sender, one.conversation
        if name not in self._talks and len(self._talks) >= CONVERSATIONS:
            self._talks.pop(next(iter(self._talks)))
        return self._talks.setdefault(
            name, Conversation(self._speaker, one.sender, one.conversation)
        )


class Mailbox:
    """What one account takes: each envelope once, in order; remembered before it is answered."""

    def __init__(
        self,
        account: bytes,
        chain_id: int,
        rights: PeerRights,
        journal: Journal,
        clock: Callable[[], int],
    ) -> None:
        self._account = account
        self._chain_id = chain_id
        self._rights = rights
        self._journal = journal
        self._clock = clock
        self._taken: dict[tuple[bytes, bytes], tuple[int, int]] = {}
        self._turn = asyncio.Lock()
        for entry in journal.entries():
            raw = entry.body
            said = int.from_bytes(raw[52:60], "big"), int.from_bytes(raw[60:68], "big")
            self._taken[raw[:20], raw[20:52]] = said

    async def take(self, signed: SignedEnvelope, body: bytes) -> Envelope:
        """Raises: EnvelopeRefused with the reason."""
        one = signed.envelope
        self._check_form(one, body)
        domain = message_domain(self._chain_id, one.sender)
        key = signer_of(one.digest(domain), signed.signature)
        if key is None:
            raise EnvelopeRefused(reason="signature")
        if not await asyncio.to_thread(self._rights.may_sign, one.sender, key, domain):
            raise EnvelopeRefused(reason="right", key="0x" + key.hex())
        async with self._turn:
            self._forget()
            name = one.sender, one.conversation
            last = self._taken.get(name, (0, 0))[0]
            if one.seq != last + 1:
                raise EnvelopeRefused(reason="seq", wanted=last + 1, seq=one.seq)
            if last == 0 and len(self._taken) >= CONVERSATIONS:
                raise EnvelopeRefused(reason="too many conversations")
            numbers = one.seq.to_bytes(8, "big") + one.expires.to_bytes(8, "big")
            await self._journal.append(Entry(_TAKEN, b"".join((*name, numbers))))
            self._taken[name] = one.seq, one.expires
        return one

    def _check_form(self, one: Envelope, body: bytes) -> None:
        now = self._clock()
        for reason, holds in (
            ("addressee", one.to == self._account and one.sender != self._account),
            ("body", len(body) <= MAX_BODY_BYTES and one.body_hash == keccak(body)),
            ("early", one.sent <= now + CLOCK_SECONDS),
            ("expired", now <= one.expires),
            ("term", one.sent < one.expires <= one.sent + MOST_SECONDS),
        ):
            if not holds:
                raise EnvelopeRefused(reason=reason)

    def _forget(self) -> None:
        """Conversations that went silent: everything of them has expired, so nothing comes back."""
        if len(self._taken) < CONVERSATIONS:
            return
        now = self._clock() - MOST_SECONDS - CLOCK_SECONDS
        self._taken = {name: said for name, said in self._taken.items() if said[1] >= now}


def forget_expired(journal: Journal, now: int) -> None:
    """Drop conversations that nothing can come back of; for the journal of a mailbox not open."""
    last: dict[bytes, Entry] = {entry.body[:52]: entry for entry in journal.entries()}
    least = now - MOST_SECONDS - CLOCK_SECONDS
    kept = [one for one in last.values() if int.from_bytes(one.body[60:68], "big") >= least]
    journal.replace(kept)


def _raw(found: object, length: int) -> bytes:
    try:
        raw = bytes.fromhex(str(found).removeprefix("0x"))
    except ValueError as error:
        raise EnvelopeRefused(reason="form") from error
    if len(raw) != length:
        raise EnvelopeRefused(reason="form")
    return raw
