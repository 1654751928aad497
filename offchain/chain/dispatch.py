"""Sign what the outbox holds, record it, hand it to the node; in that order, always.

A nonce is given and the signed bytes are on disk before any byte leaves the process, so whoever
comes after a crash sends the same bytes again.
"""

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Final

from offchain.chain.clock import Clock
from offchain.chain.errors import FeeTooLow
from offchain.chain.fees import FeePolicy, Offer, first_offer, next_offer
from offchain.chain.model import FeeQuote, TypedCall
from offchain.chain.outbox import Outbox
from offchain.chain.outbox_model import Attempt, Entry, Intent, State
from offchain.chain.ports import Chain, Signer, UnsignedTransaction
from offchain.core.errors import ApogeeError

TRANSFER_GAS: Final = 21_000
CHUNK: Final = 250  # effects signed, recorded and handed over together
FEE_ROUNDS: Final = 4  # 1.125^4: the base fee cannot have moved more between quote and hand-over


@dataclass(frozen=True, slots=True)
class SenderPolicy:
    """How a sender waits and repeats.

    `finality_blocks`: from this depth on a transaction is taken as settled (12 is about 2.5
    minutes; a devnet has 0). `stuck_seconds`: unmined for so long, it is offered for more.
    `rebroadcast_seconds`: unmined for so long, the same bytes are handed over again.
    `gas_margin_bps`: gas limit over the estimate. `first_poll_seconds`, `poll_seconds`: how often
    `wait` looks, growing from the first to the second.
    """

    fees: FeePolicy = field(default_factory=FeePolicy)
    finality_blocks: int = 12
    stuck_seconds: float = 36.0
    rebroadcast_seconds: float = 12.0
    gas_margin_bps: int = 12_000
    first_poll_seconds: float = 0.01
    poll_seconds: float = 0.5


Refusal = tuple[Entry, ApogeeError]


class Dispatcher:
    """Signs and hands over for one account."""

    def __init__(
        self, chain: Chain, signer: Signer, outbox: Outbox, *, policy: SenderPolicy, clock: Clock
    ) -> None:
        self._chain = chain
        self._signer = signer
        self._outbox = outbox
        self._policy = policy
        self._clock = clock
        self._handed_over: dict[int, float] = {}

    def send(self, intents: Sequence[Entry], quote: FeeQuote) -> list[Refusal]:
        """Sign, record and hand over, in order; what the node refused, and why.

        While one chunk travels the next is signed: signing and recording cost no time of the node.
        """
        chunks = [intents[at : at + CHUNK] for at in range(0, len(intents), CHUNK)]
        if not chunks:
            return []
        nonce = self._next_nonce()
        with ThreadPoolExecutor(1) as carrier:
            flights = []
            for chunk in chunks:
                signed = self._sign(chunk, nonce, quote)
                raws = [entry.latest.raw for entry in signed]
                flights.append((signed, carrier.submit(self._chain.broadcast, raws)))
                nonce += len(chunk)
            landed = [(signed, flight.result()) for signed, flight in flights]
        refused: list[Refusal] = []
        for signed, answers in landed:
            cheap, others = self._sort(signed, answers)
            refused += others
            refused += self._raise_and_hand_over(cheap)
        return refused

    def replace(self, entries: Sequence[Entry], quote: FeeQuote) -> list[Entry]:
        """Sign again for more; those whose cap is reached stay as they are and are left out."""
        attempts: list[tuple[int, Attempt]] = []
        for entry in entries:
            offer = next_offer(entry.latest.offer, quote, self._policy.fees)
            if offer is not None and entry.nonce is not None:
                attempts.append((entry.id, self._attempt(entry.intent, entry.nonce, offer)))
        self._outbox.add_attempts(attempts)
        replaced = {entry_id for entry_id, _ in attempts}
        return self._reread([entry for entry in entries if entry.id in replaced])

    def hand_over(self, entries: Sequence[Entry]) -> list[Refusal]:
        """Broadcast the newest signed form of each; what the node refused, and why."""
        if not entries:
            return []
        answers = self._chain.broadcast([entry.latest.raw for entry in entries])
        cheap, refused = self._sort(entries, answers)
        return refused + self._raise_and_hand_over(cheap)

    def handed_over_at(self, entry: Entry) -> float:
        """When this process last handed it over; minus infinity when it has not."""
        return self._handed_over.get(entry.id, -math.inf)

    def forget(self, entries: Iterable[Entry]) -> None:
        """These need no more handing over."""
        for entry in entries:
            self._handed_over.pop(entry.id, None)

    def fill(self, nonces: Iterable[int], quote: FeeQuote) -> list[Entry]:
        """Occupy nonces nobody else of ours has, so that the later ones can be mined."""
        wanted = list(nonces)
        ids = self._outbox.add([self.filler(nonce) for nonce in wanted])
        offer = first_offer(quote, self._policy.fees)
        self._outbox.record_signed(
            (entry_id, nonce, self._attempt(self.filler(nonce), nonce, offer))
            for entry_id, nonce in zip(ids, wanted, strict=True)
        )
        return [entry for entry_id in ids if (entry := self._outbox.get(entry_id)) is not None]

    def withdraw(self, entry: Entry) -> None:
        """Take back an effect the node will never take; later nonces keep their way."""
        highest = self._outbox.highest_nonce()
        if entry.nonce is None or highest is None or entry.nonce >= highest:
            self._outbox.forget(entry.id)
            return
        filler = self.filler(entry.nonce)
        attempt = self._attempt(filler, entry.nonce, entry.latest.offer)
        self._outbox.turn_into_filler(entry.id, filler, attempt)
        self.hand_over(self._reread([entry]))

    def filler(self, nonce: int) -> Intent:
        """A transfer of nothing to oneself."""
        call = TypedCall(self._signer.address, b"", 0, contract="", function="filler")
        return Intent(
            key=f"filler:{nonce}:{self._clock.now()}",
            digest=call.digest(),
            to=call.to,
            data=b"",
            value_wei=0,
            gas=TRANSFER_GAS,
            contract="",
            function="filler",
        )

    def _sign(self, intents: Sequence[Entry], nonce: int, quote: FeeQuote) -> list[Entry]:
        """Give intents these nonces and their bytes; on disk when this returns."""
        offer = first_offer(quote, self._policy.fees)
        signed = [
            (entry, nonce + index, self._attempt(entry.intent, nonce + index, offer))
            for index, entry in enumerate(intents)
        ]
        self._outbox.record_signed((entry.id, given, attempt) for entry, given, attempt in signed)
        return [
            replace(entry, state=State.SENT, nonce=given, attempts=(attempt,))
            for entry, given, attempt in signed
        ]

    def _sort(
        self, entries: Sequence[Entry], answers: Sequence[ApogeeError | None]
    ) -> tuple[list[Refusal], list[Refusal]]:
        """Those that must offer more, and the other refusals."""
        now = self._clock.now()
        self._handed_over.update((entry.id, now) for entry in entries)
        pairs = list(zip(entries, answers, strict=True))
        cheap: list[Refusal] = [
            (entry, error) for entry, error in pairs if isinstance(error, FeeTooLow)
        ]
        others: list[Refusal] = [
            (entry, error)
            for entry, error in pairs
            if error is not None and not isinstance(error, FeeTooLow)
        ]
        return cheap, others

    def _raise_and_hand_over(self, cheap: list[Refusal]) -> list[Refusal]:
        """Offer more and hand over again, a few times; what is refused in the end."""
        refused: list[Refusal] = []
        for _ in range(FEE_ROUNDS):
            if not cheap:
                break
            raised = self.replace([entry for entry, _ in cheap], self._chain.fees())
            known = {entry.id for entry in raised}
            refused += [(entry, error) for entry, error in cheap if entry.id not in known]
            answers = self._chain.broadcast([entry.latest.raw for entry in raised])
            cheap, others = self._sort(raised, answers)
            refused += others
        return refused + cheap

    def _next_nonce(self) -> int:
        counted = self._chain.nonce(self._signer.address)
        highest = self._outbox.highest_nonce()
        return counted if highest is None else max(counted, highest + 1)

    def _attempt(self, intent: Intent, nonce: int, offer: Offer) -> Attempt:
        raw = self._signer.sign_transaction(
            UnsignedTransaction(
                chain_id=self._chain.chain_id(),
                nonce=nonce,
                to=intent.to,
                data=intent.data,
                value_wei=intent.value_wei,
                gas=intent.gas,
                max_fee_wei=offer.max_fee_wei,
                tip_wei=offer.tip_wei,
            )
        )
        return Attempt(raw, offer, self._clock.now())

    def _reread(self, entries: Iterable[Entry]) -> list[Entry]:
        read = (self._outbox.get(entry.id) for entry in entries)
        return [entry for entry in read if entry is not None]
