"""Build one block: run the candidates that may run now, in a fair order, and seal it."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from eth_utils.exceptions import ValidationError

from offchain.chain.devnet.evm import begin_block, open_state, run_transaction, seal
from offchain.chain.devnet.ledger import Ledger
from offchain.chain.devnet.model import Block, MinedTransaction, Receipt
from offchain.chain.devnet.transactions import Transaction


@dataclass(slots=True)
class BuiltBlock:
    """A block ready to be written: what got in, and what can never get in, with the reason."""

    block: Block
    mined: list[MinedTransaction]
    included: list[Transaction]
    dead: dict[bytes, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Run:
    included: list[Transaction] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    encoded: list[Any] = field(default_factory=list)
    dead: dict[bytes, str] = field(default_factory=dict)

    @property
    def gas_used(self) -> int:
        return self.receipts[-1].cumulative_gas_used if self.receipts else 0


def build_block(
    ledger: Ledger, *, header: Any, parent: Block, chain_id: int, candidates: list[Transaction]
) -> BuiltBlock:
    """Execute on top of `parent`. New trie nodes stay pending in the ledger until it appends."""
    state = open_state(ledger, header, parent.state_root, chain_id)
    begin_block(state, header)
    run = _Run()
    for transaction in in_nonce_order(candidates):
        _try_one(state, header, transaction, run)
    inner = [transaction.evm.inner for transaction in run.included]
    sealed = seal(header, state, inner, run.encoded)
    hashes = tuple(transaction.hash for transaction in run.included)
    block = Block(sealed, bytes(sealed.state_root), hashes)
    return BuiltBlock(block, _place(run, block), run.included, run.dead)


def in_nonce_order(candidates: list[Transaction]) -> Iterator[Transaction]:
    """By arrival of senders, each sender's own transactions by nonce."""
    queues: dict[bytes, list[Transaction]] = defaultdict(list)
    for transaction in candidates:
        queues[transaction.sender].append(transaction)
    ordered = {
        sender: iter(sorted(queue, key=lambda one: one.nonce)) for sender, queue in queues.items()
    }
    for transaction in candidates:
        yield next(ordered[transaction.sender])


def _try_one(state: Any, header: Any, transaction: Transaction, run: _Run) -> None:
    nonce = state.get_nonce(transaction.sender)
    if transaction.nonce < nonce:
        run.dead[transaction.hash] = "nonce too low"
        return
    must_wait = (
        transaction.nonce > nonce
        or transaction.max_fee_wei < header.base_fee_per_gas
        or run.gas_used + transaction.gas > header.gas_limit
    )
    if must_wait:
        return
    try:
        receipt, encoded = run_transaction(
            state, header, transaction.evm, cumulative_gas=run.gas_used
        )
    except ValidationError as error:
        run.dead[transaction.hash] = str(error)
        return
    run.included.append(transaction)
    run.receipts.append(receipt)
    run.encoded.append(encoded)


def _place(run: _Run, block: Block) -> list[MinedTransaction]:
    placed = []
    first_log_index = 0
    for position, (transaction, receipt) in enumerate(zip(run.included, run.receipts, strict=True)):
        placed.append(
            MinedTransaction(
                hash=transaction.hash,
                raw=transaction.raw,
                sender=transaction.sender,
                block_number=block.number,
                block_hash=block.hash,
                position=position,
                first_log_index=first_log_index,
                receipt=receipt,
            )
        )
        first_log_index += len(receipt.logs)
    return placed
