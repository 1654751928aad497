"""One round of looking after what was sent: mined, lost, stuck, displaced, settled.

seen                                              done
nonce used, receipt of one of our attempts        MINED or REVERTED (with the reason)
its block left the chain                          SENT again, handed over again
nonce used deep in the chain, none of ours there  an intent again: a stranger took the nonce
nonce free, not handed over for a while           the same bytes are handed over again
nonce free, unmined for long or base fee above it replaced by a higher offer
lowest nonce above the account's                  the gap is filled with transfers of nothing
deep enough                                       final
"""

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from offchain.chain.clock import Clock
from offchain.chain.dispatch import Dispatcher, SenderPolicy
from offchain.chain.errors import BlockUnknown, CallReverted, InsufficientFunds
from offchain.chain.model import Address, Block, BlockHash, BlockRef, Call, Receipt
from offchain.chain.outbox import Outbox
from offchain.chain.outbox_model import Entry, Inclusion, State
from offchain.chain.ports import Chain
from offchain.chain.reverts import OUT_OF_GAS, reason_of
from offchain.core.errors import ApogeeError
from offchain.core.units import BPS, BlockNumber

log = logging.getLogger(__name__)

# A node may show a block before its receipts; only what is missing this often is missing.
MISSING_ROUNDS: Final = 3
HEAD_ROUNDS: Final = 3
MAX_FILLERS: Final = 64
MAX_RECEIPTS_KEPT: Final = 20_000
NOT_REPEATABLE: Final = "reverted when mined, not when repeated"


class Upkeep:
    """Looks after one account's entries."""

    def __init__(
        self,
        chain: Chain,
        outbox: Outbox,
        dispatcher: Dispatcher,
        *,
        account: Address,
        policy: SenderPolicy,
        clock: Clock,
    ) -> None:
        self._chain = chain
        self._outbox = outbox
        self._dispatcher = dispatcher
        self._account = account
        self._policy = policy
        self._clock = clock
        self._missing: dict[int, int] = {}
        self._gap_rounds = 0
        self._repeat_due = -math.inf
        self._checked_head: Block | None = None
        self.receipts: dict[bytes, Receipt] = {}
        self.starved: dict[int, InsufficientFunds] = {}  # intents without money, by entry id

    def run(self) -> Block:
        """One round; the head it looked at."""
        for _ in range(HEAD_ROUNDS):
            try:
                return self._run_once()
            except BlockUnknown:
                log.info("head_replaced")
        return self._run_once()

    def _run_once(self) -> Block:
        head = self._chain.block()
        used = self._chain.nonce(self._account, at=head.hash)
        is_new = self._checked_head is None or head.hash != self._checked_head.hash
        if is_new:
            self._doubt_receipts(head)
            self._recheck_included(head)
        self._collect(head, used)
        self._repeat(used, head)
        self._finish_intents()
        if is_new:
            self._outbox.finish(head.number - self._policy.finality_blocks)
        self._checked_head = head
        return head

    # What is in a block

    def _doubt_receipts(self, head: Block) -> None:
        """After a reorganisation no receipt is answered from memory, a settled one neither."""
        checked = self._checked_head
        if checked is None or head.parent_hash == checked.hash:
            return
        if not self._stands(checked.number, checked.hash, head):
            self.receipts.clear()

    def _recheck_included(self, head: Block) -> None:
        """Entries whose block left the chain are sent again."""
        lost = [
            entry
            for number, block_hash in self._outbox.included_blocks()
            if not self._stands(number, block_hash, head)
            for entry in self._outbox.included_in(block_hash)
        ]
        if not lost:
            return
        log.warning("transactions_unmined", extra={"count": len(lost), "head": head.number})
        for entry in lost:
            if entry.inclusion is not None:
                self.receipts.pop(entry.inclusion.transaction_hash, None)
        self._outbox.record_unmined(entry.id for entry in lost)
        # The node forgot the bytes with the block, or has them: either way it takes them.
        self._dispatcher.hand_over(self._reread(lost))

    def _stands(self, number: int, block_hash: BlockHash, head: Block) -> bool:
        if number > head.number:
            return False
        try:
            return self._chain.block(BlockNumber(number)).hash == block_hash
        except BlockUnknown:
            return False

    def _collect(self, head: Block, used: int) -> None:
        """Look for receipts of everything whose nonce is used."""
        entries = self._outbox.sent(below=used)
        if not entries:
            self._missing = {}
            return
        hashes = [(entry, attempt.hash) for entry in entries for attempt in entry.attempts]
        answers = self._chain.receipts([wanted for _, wanted in hashes])
        found = {
            entry.id: receipt
            for (entry, _), receipt in zip(hashes, answers, strict=True)
            if receipt is not None
        }
        mined = [(entry, found[entry.id]) for entry in entries if entry.id in found]
        self._record(mined)
        self._displace([entry for entry in entries if entry.id not in found], head)

    def _record(self, mined: Sequence[tuple[Entry, Receipt]]) -> None:
        rows: list[tuple[int, State, Inclusion]] = []
        for entry, receipt in mined:
            reason = "" if receipt.succeeded else self._reason(entry, receipt)
            where = Inclusion(
                receipt.transaction_hash, receipt.block_number, receipt.block_hash, reason
            )
            state = State.MINED if receipt.succeeded else State.REVERTED
            rows.append((entry.id, state, where))
            self._keep(receipt)
        self._outbox.record_mined(rows)
        self._dispatcher.forget(entry for entry, _ in mined)

    def _keep(self, receipt: Receipt) -> None:
        if len(self.receipts) >= MAX_RECEIPTS_KEPT:
            self.receipts.pop(next(iter(self.receipts)))
        self.receipts[receipt.transaction_hash] = receipt

    def _reason(self, entry: Entry, receipt: Receipt) -> str:
        """Why it reverted: the call repeated on the state after its block, then before it."""
        intent = entry.intent
        call = Call(intent.to, intent.data, self._account, intent.value_wei, intent.gas)
        places: list[BlockRef] = [receipt.block_hash, BlockNumber(receipt.block_number - 1)]
        for place in places:
            try:
                self._chain.calls([call], at=place)
            except CallReverted as failure:
                return reason_of(failure.payload, failure.node_message)
            except ApogeeError as error:
                log.warning("revert_not_repeated", extra={"key": intent.key, "error": str(error)})
        return OUT_OF_GAS if receipt.gas_used >= intent.gas else NOT_REPEATABLE

    def _displace(self, entries: Sequence[Entry], head: Block) -> None:
        """Entries whose nonce a stranger's transaction took for good become intents again."""
        deep = BlockNumber(max(head.number - self._policy.finality_blocks, 0))
        missing = {entry.id: self._missing.get(entry.id, 0) + 1 for entry in entries}
        self._missing = missing
        suspects = [entry for entry in entries if missing[entry.id] >= MISSING_ROUNDS]
        if not suspects:
            return
        used_for_good = self._chain.nonce(self._account, at=deep)
        for entry in suspects:
            if entry.nonce is not None and entry.nonce < used_for_good:
                log.warning("nonce_taken", extra={"key": entry.intent.key, "nonce": entry.nonce})
                self._outbox.reopen(entry.id, entry.intent)

    # What is not

    def _repeat(self, used: int, head: Block) -> None:
        """Hand over again what may be lost, for more what is stuck; fill a gap below it."""
        now = self._clock.now()
        if now < self._repeat_due:
            return
        self._repeat_due = now + self._policy.rebroadcast_seconds / 4
        entries = self._outbox.sent(first=used)
        if not entries:
            self._gap_rounds = 0
            return
        stuck = [one for one in entries if self._is_stuck(one, head, now)]
        if stuck:
            replaced = self._dispatcher.replace(stuck, self._chain.fees())
            log.warning("transactions_replaced", extra={"count": len(replaced)})
            self._dispatcher.hand_over(replaced)
        quiet = [
            one
            for one in entries
            if now - self._dispatcher.handed_over_at(one) >= self._policy.rebroadcast_seconds
        ]
        if quiet:
            self._dispatcher.hand_over(self._reread(quiet))
        self._fill_gap(entries[0], used)

    def _is_stuck(self, entry: Entry, head: Block, now: float) -> bool:
        age = now - entry.latest.signed_at
        is_cheap = entry.latest.offer.max_fee_wei < head.base_fee_wei
        patience = self._policy.stuck_seconds
        return age >= (patience / 3 if is_cheap else patience)

    def _fill_gap(self, lowest: Entry, used: int) -> None:
        nonce = lowest.nonce if lowest.nonce is not None else used
        if nonce <= used or nonce <= self._chain.nonce(self._account):
            self._gap_rounds = 0
            return
        self._gap_rounds += 1
        if self._gap_rounds < MISSING_ROUNDS:
            return
        self._gap_rounds = 0
        missing = range(used, min(nonce, used + MAX_FILLERS))
        log.warning("nonce_gap_filled", extra={"first": used, "count": len(missing)})
        self._dispatcher.hand_over(self._dispatcher.fill(missing, self._chain.fees()))

    def _finish_intents(self) -> None:
        """What a killed process decided, and what lost its nonce: still allowed, it goes out.

        The gas is estimated again, since the state is another one. One that lacks money waits.
        """
        allowed: list[Entry] = []
        self.starved = {}
        for entry in self._outbox.intents():
            intent = entry.intent
            call = Call(intent.to, intent.data, self._account, intent.value_wei)
            try:
                [gas] = self._chain.estimate([call])
            except CallReverted as failure:
                self._outbox.refuse(entry.id, reason_of(failure.payload, failure.node_message))
            except InsufficientFunds as error:
                self.starved[entry.id] = error
            else:
                gas = max(intent.gas, gas * self._policy.gas_margin_bps // BPS)
                allowed.append(replace(entry, intent=replace(intent, gas=gas)))
                self._outbox.reopen(entry.id, allowed[-1].intent)
        if allowed:
            self._dispatcher.send(allowed, self._chain.fees())

    def _reread(self, entries: Iterable[Entry]) -> list[Entry]:
        read = self._outbox.get_many([entry.id for entry in entries]).values()
        return [one for one in read if one.attempts and not one.is_final]
