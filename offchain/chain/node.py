"""An EVM node, read and written over any transport: `ChainReader` and `ChainWriter`.

Every read names its block; a block hash is passed on as EIP-1898, so a read at a block that left
the chain fails, or answers as that block did, and never about another one.
"""

from collections.abc import Sequence
from typing import Any, Final

from offchain.chain.errors import AnswerMalformed, BlockUnknown
from offchain.chain.jsonrpc import (
    read_block,
    read_bytes,
    read_logs,
    read_quantity,
    read_receipt,
    show_block_ref,
    show_bytes,
    show_call,
    show_filter,
)
from offchain.chain.model import (
    HASH_BYTES,
    Address,
    Block,
    BlockRef,
    Call,
    FeeQuote,
    Log,
    LogFilter,
    Receipt,
    TransactionHash,
)
from offchain.chain.node_faults import METHOD_UNKNOWN_CODE, error_of, is_already_known
from offchain.chain.past_calls import PastCalls
from offchain.chain.ports import Answer, Question, Transport
from offchain.core.errors import ApogeeError
from offchain.core.units import GWEI

# What a node without eth_maxPriorityFeePerGas is offered.
FALLBACK_TIP_WEI: Final = GWEI


class Node:
    """One node behind one transport."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._chain_id: int | None = None
        self._past = PastCalls()

    def close(self) -> None:
        self._transport.close()

    # Reading

    def chain_id(self) -> int:
        """Asked once: a node does not change chains."""
        if self._chain_id is None:
            self._chain_id = read_quantity(self._result("eth_chainId"))
        return self._chain_id

    def block(self, at: BlockRef | None = None) -> Block:
        if isinstance(at, bytes):
            shown = self._result("eth_getBlockByHash", show_bytes(at), False)
        else:
            name = "latest" if at is None else hex(at)
            shown = self._result("eth_getBlockByNumber", name, False)
        if shown is None:
            raise BlockUnknown(block=at.hex() if isinstance(at, bytes) else at)
        return read_block(shown)

    def calls(self, calls: Sequence[Call], *, at: BlockRef) -> list[bytes]:
        if not isinstance(at, bytes):
            return list(self._ask(calls, range(len(calls)), at).values())
        found = [self._past.find(at, one) for one in calls]
        told = self._ask(calls, [index for index, one in enumerate(found) if one is None], at)
        for index, answer in told.items():
            self._past.keep(at, calls[index], answer)
        return [told[index] if one is None else one for index, one in enumerate(found)]

    def logs(self, wanted: LogFilter) -> list[Log]:
        return read_logs(self._result("eth_getLogs", show_filter(wanted)))

    def receipt(self, transaction: TransactionHash) -> Receipt | None:
        return self.receipts([transaction])[0]

    def input_of(self, transaction: TransactionHash) -> bytes | None:
        """What a transaction called with; None while nobody knows it."""
        shown = self._result("eth_getTransactionByHash", show_bytes(transaction))
        if shown is None:
            return None
        if not isinstance(shown, dict):
            raise AnswerMalformed(reason="no transaction", method="eth_getTransactionByHash")
        return read_bytes(shown.get("input"))

    def balance(self, address: Address, *, at: BlockRef) -> int:
        return read_quantity(
            self._result("eth_getBalance", show_bytes(address), show_block_ref(at))
        )

    def code(self, address: Address, *, at: BlockRef) -> bytes:
        return read_bytes(self._result("eth_getCode", show_bytes(address), show_block_ref(at)))

    # Writing

    def nonce(self, address: Address, *, at: BlockRef | None = None) -> int:
        return read_quantity(
            self._result("eth_getTransactionCount", show_bytes(address), show_block_ref(at))
        )

    def estimate(self, calls: Sequence[Call]) -> list[int]:
        answers = self._transport.ask(
            [Question("eth_estimateGas", (show_call(one), "pending")) for one in calls]
        )
        return [read_quantity(_unwrap(answer, index)) for index, answer in enumerate(answers)]

    def fees(self) -> FeeQuote:
        history, tip = self._transport.ask(
            [
                Question("eth_feeHistory", ("0x1", "latest", [])),
                Question("eth_maxPriorityFeePerGas"),
            ]
        )
        shown = _unwrap(history)
        upcoming = shown.get("baseFeePerGas") if isinstance(shown, dict) else None
        if not isinstance(upcoming, list) or not upcoming:
            raise AnswerMalformed(reason="no base fee", method="eth_feeHistory")
        if tip.fault is not None and tip.fault.code == METHOD_UNKNOWN_CODE:
            return FeeQuote(read_quantity(upcoming[-1]), FALLBACK_TIP_WEI)
        return FeeQuote(read_quantity(upcoming[-1]), read_quantity(_unwrap(tip)))

    def broadcast(self, signed: Sequence[bytes]) -> list[ApogeeError | None]:
        answers = self._transport.ask(
            [Question("eth_sendRawTransaction", (show_bytes(raw),)) for raw in signed]
        )
        return [_refusal(answer) for answer in answers]

    def receipts(self, transactions: Sequence[TransactionHash]) -> list[Receipt | None]:
        answers = self._transport.ask(
            [Question("eth_getTransactionReceipt", (show_bytes(one),)) for one in transactions]
        )
        shown = [_unwrap(answer) for answer in answers]
        return [None if one is None else read_receipt(one) for one in shown]

    # Internal

    def _ask(self, calls: Sequence[Call], wanted: Sequence[int], at: BlockRef) -> dict[int, bytes]:
        """The answers to some of these calls, by their places."""
        if not wanted:
            return {}
        reference = show_block_ref(at)
        answers = self._transport.ask(
            [Question("eth_call", (show_call(calls[index]), reference)) for index in wanted]
        )
        return {
            index: read_bytes(_unwrap(answer, index))
            for index, answer in zip(wanted, answers, strict=True)
        }

    def _result(self, method: str, *params: Any) -> Any:
        return _unwrap(self._transport.ask([Question(method, params)])[0])


def _unwrap(answer: Answer, index: int = 0) -> Any:
    if answer.fault is not None:
        raise error_of(answer.fault, index=index)
    return answer.result


def _refusal(answer: Answer) -> ApogeeError | None:
    if answer.fault is None:
        read_bytes(answer.result, HASH_BYTES)
        return None
    return None if is_already_known(answer.fault) else error_of(answer.fault)
