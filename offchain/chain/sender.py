"""Send typed calls from one account, each effect once, whatever is killed or reorganised.

`send` returns when the effect is certain to be attempted: decided, signed and recorded. `wait`
returns when it is in the chain. Both may be repeated with the same key by any later process.
Source: docs/decisions/0004-transaction-outbox.md.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from offchain.chain.clock import Clock, SystemClock
from offchain.chain.dispatch import Dispatcher, SenderPolicy
from offchain.chain.errors import (
    CallReverted,
    FeeTooLow,
    InsufficientFunds,
    KeyReused,
    NonceTaken,
    NotMinedYet,
    SettledLost,
    TransactionRefused,
)
from offchain.chain.fees import first_offer
from offchain.chain.keys import refuse_well_known
from offchain.chain.model import Address, Block, FeeQuote, Receipt, TypedCall, show_address
from offchain.chain.outbox import Outbox
from offchain.chain.outbox_model import Entry, Intent, State
from offchain.chain.ports import Chain, Signer
from offchain.chain.reverts import error_for, typed_error
from offchain.chain.upkeep import Upkeep
from offchain.core.errors import Unavailable
from offchain.core.units import BPS, BlockNumber

SETTLED_AT_ONCE: Final = 250  # outcomes read from the outbox together


@dataclass(frozen=True, slots=True)
class TxHandle:
    """An effect in the outbox; the same key gives an equal handle in any process."""

    key: str
    entry_id: int
    call: TypedCall = field(repr=False, compare=False)


class TransactionSender:
    """Nonces, fees, retries and keys of one account; safe to share between threads."""

    def __init__(
        self, chain: Chain, signer: Signer, outbox: Outbox, *, policy: SenderPolicy, clock: Clock
    ) -> None:
        self._chain = chain
        self._account: Address = signer.address
        self._outbox = outbox
        self._policy = policy
        self._clock = clock
        self._dispatcher = Dispatcher(chain, signer, outbox, policy=policy, clock=clock)
        self._upkeep = Upkeep(
            chain, outbox, self._dispatcher, account=self._account, policy=policy, clock=clock
        )
        self._turn = threading.RLock()

    @classmethod
    def open(
        cls,
        chain: Chain,
        signer: Signer,
        outbox_path: Path,
        *,
        policy: SenderPolicy | None = None,
        clock: Clock | None = None,
        lock_seconds: float = 0,
    ) -> Self:
        """Take the account's outbox and finish what a killed process left in it.

        Raises: WellKnownKey, OutboxBusy, OutboxForeign, NodeUnreachable.
        """
        chain_id = chain.chain_id()
        refuse_well_known(signer.address, chain_id)
        clock = clock or SystemClock()
        outbox = Outbox.open(outbox_path, signer.address, lock_seconds=lock_seconds, clock=clock)
        try:
            outbox.bind_chain(chain_id, chain.block(BlockNumber(0)).hash)
            sender = cls(chain, signer, outbox, policy=policy or SenderPolicy(), clock=clock)
            sender.maintain()
        except BaseException:
            outbox.close()
            raise
        return sender

    @property
    def account(self) -> Address:
        return self._account

    def close(self) -> None:
        """Let another process send for the account; waits for a step of another thread."""
        with self._turn:
            self._outbox.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Sending

    def send(self, call: TypedCall, *, key: str) -> TxHandle:
        """Have an effect once. Raises: what the contract refuses, KeyReused, InsufficientFunds.

        After NodeUnreachable the effect may be in the outbox: send it again with the same key.
        """
        return self.send_many([(key, call)])[0]

    def send_many(self, calls: Sequence[tuple[str, TypedCall]]) -> list[TxHandle]:
        """Have many effects, in this order. A contract's refusal of any leaves all unsent."""
        with self._turn:
            return self._send_all(calls)

    def execute(
        self, call: TypedCall, *, key: str, confirmations: int = 1, timeout_seconds: float = 120
    ) -> Receipt:
        """Send and wait."""
        handle = self.send(call, key=key)
        return self.wait(handle, confirmations=confirmations, timeout_seconds=timeout_seconds)

    # Waiting

    def wait(
        self, handle: TxHandle, *, confirmations: int = 1, timeout_seconds: float = 120
    ) -> Receipt:
        """The receipt once it is that deep. Raises: the typed revert, NotMinedYet, SettledLost."""
        handles = [handle]
        return self.wait_all(handles, confirmations=confirmations, timeout_seconds=timeout_seconds)[
            0
        ]

    def wait_all(
        self, handles: Sequence[TxHandle], *, confirmations: int = 1, timeout_seconds: float = 120
    ) -> list[Receipt]:
        """Receipts in order. Raises: the first typed revert, NotMinedYet."""
        deadline = self._clock.now() + timeout_seconds
        pause = self._policy.first_poll_seconds
        receipts: list[Receipt] = []
        while True:
            head = self.maintain()
            if settled := self._settled(handles[len(receipts) :], head, confirmations):
                receipts += settled
                pause = self._policy.first_poll_seconds
            if len(receipts) == len(handles):
                return receipts
            if self._clock.now() >= deadline:
                handle = handles[len(receipts)]
                raise NotMinedYet(key=handle.key, waited_seconds=timeout_seconds)
            self._clock.sleep(pause)
            pause = min(pause * 1.5, self._policy.poll_seconds)

    def maintain(self) -> Block:
        """One round of repeating, replacing and repairing; the head it saw."""
        with self._turn:
            return self._upkeep.run()

    # Internal

    def _send_all(self, calls: Sequence[tuple[str, TypedCall]]) -> list[TxHandle]:
        wanted = dict(calls)
        digests = {key: call.digest() for key, call in wanted.items()}
        known = self._outbox.find_many(list(wanted))
        for key, call in calls:
            entry = known.get(key)
            if call is not wanted[key] and call.digest() != digests[key]:
                raise KeyReused(key=key, contract=call.contract, function=call.function)
            if entry is not None and entry.intent.digest != digests[key]:
                raise KeyReused(key=key, contract=call.contract, function=call.function)
        fresh = [
            (key, call)
            for key, call in wanted.items()
            if key not in known or self._is_open_again(known[key])
        ]
        ids = {key: entry.id for key, entry in known.items()}
        if fresh:
            ids |= self._decide_and_send(fresh, known)
        return [TxHandle(key, ids[key], call) for key, call in calls]

    def _is_open_again(self, entry: Entry) -> bool:
        """A settled revert had no effect, so its key may try again."""
        return entry.is_final and entry.state is State.REVERTED

    def _decide_and_send(
        self, fresh: Sequence[tuple[str, TypedCall]], known: dict[str, Entry]
    ) -> dict[str, int]:
        """Entry ids by key."""
        gas = self._estimate([call for _, call in fresh])
        quote = self._chain.fees()
        self._check_funds([call for _, call in fresh], sum(gas), quote)
        intents = [_intent(key, call, limit) for (key, call), limit in zip(fresh, gas, strict=True)]
        entries = self._decide(intents, known)
        self._settle_refusals(self._dispatcher.send(entries, quote))
        return {entry.intent.key: entry.id for entry in entries}

    def _decide(self, intents: Sequence[Intent], known: dict[str, Entry]) -> list[Entry]:
        """Record what is to happen; from here on it happens, whoever is killed."""
        ids = {key: entry.id for key, entry in known.items()}
        for intent in intents:
            if intent.key in known:
                self._outbox.reopen(known[intent.key].id, intent)
        new = [intent for intent in intents if intent.key not in known]
        added = self._outbox.add(new)
        ids |= {intent.key: entry_id for intent, entry_id in zip(new, added, strict=True)}
        return [
            Entry(ids[one.key], one, State.INTENT, None, (), None, is_final=False)
            for one in intents
        ]

    def _settle_refusals(self, refused: Sequence[tuple[Entry, Exception]]) -> None:
        """Withdraw what no node will take; leave the rest to later rounds; tell the first."""
        for entry, error in refused:
            if isinstance(error, TransactionRefused):
                self._dispatcher.withdraw(entry)
        for _, error in refused:
            # An overloaded node, a busy nonce, a low offer: later rounds deal with these.
            if not isinstance(error, Unavailable | NonceTaken | FeeTooLow):
                raise error

    def _estimate(self, calls: Sequence[TypedCall]) -> list[int]:
        asked = [call for call in calls if call.gas_hint is None]
        try:
            found = self._chain.estimate([call.call_from(self._account) for call in asked])
        except CallReverted as failure:
            call = asked[failure.index]
            raise typed_error(failure, call.contract, call.function, call.reverts) from failure
        estimates = iter(found)
        margin = self._policy.gas_margin_bps
        return [
            next(estimates) * margin // BPS if call.gas_hint is None else call.gas_hint
            for call in calls
        ]

    def _check_funds(self, calls: Sequence[TypedCall], gas: int, quote: FeeQuote) -> None:
        """Refuse before anything is decided what the account cannot pay."""
        value_wei = sum(call.value_wei for call in calls)
        needed = value_wei + gas * first_offer(quote, self._policy.fees).max_fee_wei
        balance = self._chain.balance(self._account, at=self._chain.block().hash)
        if balance < needed:
            shown = show_address(self._account)
            raise InsufficientFunds(account=shown, balance_wei=balance, needed_wei=needed)

    def _settled(
        self, handles: Sequence[TxHandle], head: Block, confirmations: int
    ) -> list[Receipt]:
        """Receipts of the first ones, as far as they are deep enough. Raises: the typed revert."""
        receipts: list[Receipt] = []
        with self._turn:
            for start in range(0, len(handles), SETTLED_AT_ONCE):
                part = handles[start : start + SETTLED_AT_ONCE]
                entries = self._outbox.get_many([handle.entry_id for handle in part])
                for handle in part:
                    entry = entries.get(handle.entry_id)
                    receipt = self._outcome(handle, entry, head, confirmations)
                    if receipt is None:
                        return receipts
                    receipts.append(receipt)
        return receipts

    def _outcome(
        self, handle: TxHandle, entry: Entry | None, head: Block, confirmations: int
    ) -> Receipt | None:
        if entry is None:
            raise NotMinedYet(key=handle.key, reason="withdrawn: the node refused it")
        starved = self._upkeep.starved.get(entry.id)
        if starved is not None:
            raise starved
        where = entry.inclusion
        if entry.state is State.REVERTED and where is not None:
            call = handle.call
            raise error_for(where.reason, call.contract, call.function, call.reverts)
        if where is None or head.number - where.block_number + 1 < confirmations:
            return None
        kept = self._upkeep.receipts.get(where.transaction_hash)
        receipt = kept or self._chain.receipt(where.transaction_hash)
        if receipt is None and entry.is_final:
            raise SettledLost(key=handle.key, block_number=where.block_number)
        return receipt


def _intent(key: str, call: TypedCall, gas: int) -> Intent:
    return Intent(
        key=key,
        digest=call.digest(),
        to=call.to,
        data=call.data,
        value_wei=call.value_wei,
        gas=gas,
        contract=call.contract,
        function=call.function,
    )
