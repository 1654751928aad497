"""The embedded chain: accepts transactions, seals blocks, answers calls, goes back in time.

Everything here runs on one thread. A transaction is on disk before its hash is returned: inside
a block when its nonce is due and mining is automatic, in the pool otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

from eth._utils.state import code_is_delegation_designation
from eth.constants import BLANK_ROOT_HASH
from eth.exceptions import InsufficientFunds, InvalidInstruction

from offchain.chain.devnet.evm import (
    CallOutcome,
    CallRequest,
    block_randomness,
    floor_gas,
    next_header,
    open_state,
    run_call,
)
from offchain.chain.devnet.faults import BadParameters, ExecutionReverted, Refused
from offchain.chain.devnet.genesis import fill_genesis_state, genesis_header
from offchain.chain.devnet.ledger import DamagedLedger, Ledger
from offchain.chain.devnet.model import Block
from offchain.chain.devnet.pool import TransactionPool
from offchain.chain.devnet.sealing import BuiltBlock, build_block
from offchain.chain.devnet.transactions import Transaction, parse_transaction

MAX_SNAPSHOTS: Final = 1_024
MAX_BLOCKS_PER_CALL: Final = 10_000
MAX_NONCE_GAP: Final = 4_096
MAX_TIMESTAMP: Final = 2**63 - 1
CALL_STIPEND_GAS: Final = 2_300
# The search stops when the estimate is within this fraction of the least gas that works.
ESTIMATE_TOLERANCE: Final = 0.015


@dataclass(frozen=True, slots=True)
class View:
    """A block as calls see it: its header and the state they start from."""

    header: Any
    state_root: bytes


@dataclass(frozen=True, slots=True)
class _Snapshot:
    number: int
    block_hash: bytes
    state_root: bytes
    offset_seconds: int
    exact_timestamp: int | None


class DevChain:
    """A Prague chain with one validator that does what a developer says."""

    def __init__(self, ledger: Ledger, *, chain_id: int, clock: Callable[[], float]) -> None:
        """Continue the chain in `ledger`, or begin one. `clock` gives Unix seconds."""
        self.ledger = ledger
        self.chain_id = chain_id
        self._clock = clock
        self._snapshots: dict[int, _Snapshot] = {}
        self._next_snapshot = 1
        if ledger.head_number() is None:
            self._write_genesis()
        elif ledger.setting("chain_id") != chain_id:
            raise DamagedLedger(
                "the state directory holds a chain with another id",
                found=ledger.setting("chain_id"),
                wanted=chain_id,
            )
        self._offset_seconds: int = ledger.setting("offset_seconds") or 0
        self._exact_timestamp: int | None = ledger.setting("exact_timestamp")
        self._sequence: int = ledger.setting("sequence") or 0
        self.is_automatic: bool = ledger.setting("automine") is not False
        self.pool = TransactionPool(ledger, chain_id)
        self.head = self._read_head()

    # Reading

    def pending_view(self) -> View:
        """The block being built now."""
        return View(self._next_header(), self.head.state_root)

    def head_view(self) -> View:
        return View(self.head.header, self.head.state_root)

    def state(self, view: View) -> Any:
        return open_state(self.ledger, view.header, view.state_root, self.chain_id)

    def call(self, request: CallRequest, view: View) -> CallOutcome:
        """Run a message on a throw-away state."""
        return run_call(self.state(view), request)

    def estimate_gas(self, request: CallRequest, view: View) -> int:
        """Gas with which the message succeeds, at most 1.5 % above the least.

        Raises: ExecutionReverted or Refused when it fails with all the gas it may have.
        """
        outcome = self.call(request, view)
        if outcome.failure is not None:
            raise_failure(outcome)
        floor = floor_gas(request.data)
        if not outcome.made_calls:
            return max(outcome.spent_gas, floor)
        # A caller keeps 1/64 of its gas, so an inner call may need more than was spent.
        lowest = outcome.spent_gas - 1
        highest = request.gas
        guess = min((outcome.spent_gas + CALL_STIPEND_GAS) * 64 // 63, highest)
        while highest - lowest > 1:
            if self.call(replace(request, gas=guess), view).failure is None:
                highest = guess
            else:
                lowest = guess
            if (highest - lowest) / highest < ESTIMATE_TOLERANCE * 2:
                break
            guess = min((lowest + highest) // 2, lowest * 2)
        return max(highest, floor)

    def account_nonce(self, address: bytes) -> int:
        return int(self.state(self.head_view()).get_nonce(address))

    def pending_nonce(self, address: bytes) -> int:
        return self.pool.next_nonce(address, self.account_nonce(address))

    # Transactions and blocks

    def send(self, raw: bytes) -> bytes:
        """Accept a signed transaction; returns its hash. Raises: Refused, BadParameters."""
        transaction = parse_transaction(raw, self.chain_id)
        header = self._next_header()
        state = open_state(self.ledger, header, self.head.state_root, self.chain_id)
        account_nonce = _check_against_state(transaction, state, header)
        self.pool.check_place(transaction)
        if self.is_automatic and transaction.nonce == account_nonce:
            self._seal_now(transaction)
        else:
            self.pool.add(transaction)
        return transaction.hash

    def mine(self, count: int = 1, interval_seconds: int | None = None) -> None:
        """Seal `count` blocks; the first takes what waits and may run."""
        if not 0 <= count <= MAX_BLOCKS_PER_CALL:
            raise BadParameters(f"at most {MAX_BLOCKS_PER_CALL} blocks at once")
        for index in range(count):
            if interval_seconds is not None and index:
                self._exact_timestamp = self.head.header.timestamp + max(interval_seconds, 1)
            self._commit(self._build(list(self.pool)))

    def set_automatic(self, *, enabled: bool) -> None:
        """Seal a block for each transaction, or wait for `mine`."""
        self.is_automatic = enabled
        self.ledger.save_settings({"automine": enabled})
        while enabled and self._has_runnable():
            self.mine()

    # Time

    def increase_time(self, seconds: int) -> int:
        """Move the clock of later blocks forward; returns the whole offset in seconds."""
        if not 0 <= seconds <= MAX_TIMESTAMP - self._now():
            raise BadParameters("the clock moves forward by a bounded number of seconds")
        self._offset_seconds += seconds
        self.ledger.save_settings(self._settings())
        return self._offset_seconds

    def set_next_timestamp(self, timestamp: int) -> None:
        """Give the next block exactly this time; later ones go on from there."""
        if not self.head.header.timestamp < timestamp <= MAX_TIMESTAMP:
            raise BadParameters(
                f"timestamp {timestamp} is not later than the head's {self.head.header.timestamp}"
            )
        self._exact_timestamp = timestamp
        self.ledger.save_settings(self._settings())

    # Going back

    def snapshot(self) -> int:
        """Remember this moment; returns an id that `revert` takes once."""
        identifier = self._next_snapshot
        self._next_snapshot += 1
        self._snapshots[identifier] = _Snapshot(
            self.head.number,
            self.head.hash,
            self.head.state_root,
            self._offset_seconds,
            self._exact_timestamp,
        )
        if len(self._snapshots) > MAX_SNAPSHOTS:
            del self._snapshots[min(self._snapshots)]
        return identifier

    def revert(self, identifier: int) -> bool:
        """Go back to a snapshot and forget it and all later ones; False when there is none."""
        snapshot = self._snapshots.get(identifier)
        self._snapshots = {
            known: kept for known, kept in self._snapshots.items() if known < identifier
        }
        if snapshot is None or self.ledger.block_hash(snapshot.number) != snapshot.block_hash:
            return False
        self._offset_seconds = snapshot.offset_seconds
        self._exact_timestamp = snapshot.exact_timestamp
        self._roll_back_to(snapshot.number, snapshot.state_root)
        return True

    def roll_back(self, depth: int) -> None:
        """Drop the newest `depth` blocks and their transactions, as a reorganisation would."""
        if not 0 <= depth <= self.head.number:
            raise BadParameters(
                f"depth {depth} is more than the {self.head.number} blocks there are"
            )
        self._roll_back_to(self.head.number - depth, None)

    def edit_state(self, edit: Callable[[Any], None]) -> None:
        """Change the state after the head by hand, without a block."""
        state = self.state(self.head_view())
        try:
            edit(state)
            state.persist()
            self.ledger.set_head_state(bytes(state.state_root))
        finally:
            self.ledger.nodes.discard_pending()
        self.head = self._read_head()

    # Internal

    def _write_genesis(self) -> None:
        timestamp = int(self._clock())
        blank = genesis_header(BLANK_ROOT_HASH, timestamp)
        state = open_state(self.ledger, blank, BLANK_ROOT_HASH, self.chain_id)
        header = genesis_header(fill_genesis_state(state), timestamp)
        self.ledger.append(Block(header, header.state_root, ()), (), {"chain_id": self.chain_id})

    def _read_head(self) -> Block:
        number = self.ledger.head_number()
        block = None if number is None else self.ledger.block(number)
        if block is None:
            raise DamagedLedger("the chain file has no head block")
        return block

    def _now(self) -> int:
        return int(self._clock()) + self._offset_seconds

    def _next_header(self) -> Any:
        timestamp = self._exact_timestamp or max(self._now(), self.head.header.timestamp + 1)
        randomness = block_randomness(self.chain_id, self._sequence + 1)
        return next_header(self.head.header, timestamp=timestamp, randomness=randomness)

    def _seal_now(self, transaction: Transaction) -> None:
        """One block for the transaction, one for each waiting one it makes due."""
        self._commit(self._build([transaction]), required=transaction)
        while True:
            due = self.pool.at(transaction.sender, transaction.nonce + 1)
            if due is None or due.max_fee_wei < self._next_header().base_fee_per_gas:
                return
            self._commit(self._build([due]))
            transaction = due

    def _build(self, candidates: list[Transaction]) -> BuiltBlock:
        try:
            return build_block(
                self.ledger,
                header=self._next_header(),
                parent=self.head,
                chain_id=self.chain_id,
                candidates=candidates,
            )
        except BaseException:
            self.ledger.nodes.discard_pending()
            raise

    def _commit(self, built: BuiltBlock, *, required: Transaction | None = None) -> None:
        """Write a block. Raises: Refused, and writes nothing, when the required one is not in."""
        if required is not None and not built.included:
            self.ledger.nodes.discard_pending()
            raise Refused(built.dead.get(required.hash, "the transaction cannot run now"))
        offset = self._offset_seconds
        if self._exact_timestamp is not None:
            offset = self._exact_timestamp - int(self._clock())
        settings: dict[str, object] = {
            "offset_seconds": offset,
            "exact_timestamp": None,
            "sequence": self._sequence + 1,
        }
        self.ledger.append(built.block, built.mined, settings)
        self._offset_seconds, self._exact_timestamp = offset, None
        self._sequence += 1
        self.head = built.block
        self.pool.forget(built.included)
        self.pool.drop([waiting for waiting in self.pool if waiting.hash in built.dead])

    def _has_runnable(self) -> bool:
        fee = self._next_header().base_fee_per_gas
        return any(
            waiting.max_fee_wei >= fee and waiting.nonce == self.account_nonce(waiting.sender)
            for waiting in self.pool
        )

    def _roll_back_to(self, number: int, state_root: bytes | None) -> None:
        self.ledger.roll_back_to(number, self._settings(), state_root)
        self.pool.clear()
        self.head = self._read_head()

    def _settings(self) -> dict[str, object]:
        return {
            "offset_seconds": self._offset_seconds,
            "exact_timestamp": self._exact_timestamp,
            "sequence": self._sequence,
        }


def raise_failure(outcome: CallOutcome) -> NoReturn:
    """Turn a failed call into the answer geth gives for it."""
    if outcome.is_revert:
        raise ExecutionReverted(outcome.output)
    if outcome.is_out_of_gas:
        raise Refused("out of gas")
    if isinstance(outcome.failure, InsufficientFunds):
        raise Refused("insufficient funds for transfer")
    if isinstance(outcome.failure, InvalidInstruction):
        raise Refused("invalid opcode: INVALID")
    raise Refused(f"execution failed: {outcome.failure}")


def _check_against_state(transaction: Transaction, state: Any, header: Any) -> int:
    """The account nonce of the sender. Raises: Refused when it can never or not now be paid."""
    sender = "0x" + transaction.sender.hex()
    nonce = int(state.get_nonce(transaction.sender))
    if transaction.nonce < nonce:
        raise Refused(f"nonce too low: next nonce {nonce}, tx nonce {transaction.nonce}")
    if transaction.nonce > nonce + MAX_NONCE_GAP:
        raise Refused(f"nonce too high: next nonce {nonce}, tx nonce {transaction.nonce}")
    code = state.get_code(transaction.sender)
    if code and not code_is_delegation_designation(code):
        raise Refused(f"sender not an eoa: address {sender}")
    if transaction.max_fee_wei < header.base_fee_per_gas:
        raise Refused(
            f"max fee per gas less than block base fee: address {sender}, "
            f"maxFeePerGas: {transaction.max_fee_wei}, baseFee: {header.base_fee_per_gas}"
        )
    balance = int(state.get_balance(transaction.sender))
    if balance < transaction.cost_wei:
        raise Refused(
            f"insufficient funds for gas * price + value: balance {balance}, "
            f"tx cost {transaction.cost_wei}, overshot {transaction.cost_wei - balance}"
        )
    return nonce
