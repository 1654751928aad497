"""JSON-RPC as bytes and as values: requests written, answers read strictly.

Nothing of a node's answer is trusted before it went through here.
Source: https://www.jsonrpc.org/specification, https://github.com/ethereum/execution-apis.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from pydantic_core import from_json

from offchain.chain.errors import AnswerMalformed
from offchain.chain.model import (
    ADDRESS_BYTES,
    HASH_BYTES,
    Address,
    Block,
    BlockHash,
    BlockRef,
    Call,
    Log,
    LogFilter,
    Receipt,
    TransactionHash,
)
from offchain.chain.ports import Answer, Fault, Question
from offchain.core.units import BlockNumber

MAX_MESSAGE_CHARACTERS: Final = 1_000


def write_requests(questions: Sequence[Question]) -> bytes:
    """One object for one question, a batch for more; ids are positions."""
    members = [
        {"jsonrpc": "2.0", "id": index, "method": one.method, "params": list(one.params)}
        for index, one in enumerate(questions)
    ]
    body = members[0] if len(members) == 1 else members
    return json.dumps(body, separators=(",", ":")).encode()


def read_answers(raw: bytes, count: int) -> list[Answer]:
    """Answers in the order of the questions. Raises: AnswerMalformed."""
    try:
        # Bounds nesting at 200; `json` would follow it until the C stack ends, because py-evm lifts
        # Python's recursion limit where it is loaded.
        body = from_json(raw, allow_inf_nan=False)
    except ValueError as error:
        raise AnswerMalformed(reason="not JSON", start=raw[:80].decode(errors="replace")) from error
    members = body if isinstance(body, list) else [body]
    if len(members) == 1 and count > 1 and "error" in members[0]:
        # A node that refuses the batch as a whole answers once.
        return [read_answer(members[0])] * count
    if len(members) != count:
        raise AnswerMalformed(reason="wrong number of answers", wanted=count, found=len(members))
    placed: list[Answer | None] = [None] * count
    for member in members:
        index = member.get("id") if isinstance(member, dict) else None
        if not isinstance(index, int) or not 0 <= index < count or placed[index] is not None:
            raise AnswerMalformed(reason="an answer without a question")
        placed[index] = read_answer(member)
    return [answer for answer in placed if answer is not None]


def read_answer(member: dict[str, Any]) -> Answer:
    """One member: its result or its fault."""
    error = member.get("error")
    if error is None:
        if "result" not in member:
            raise AnswerMalformed(reason="neither result nor error")
        return Answer(result=member["result"])
    if not isinstance(error, dict):
        raise AnswerMalformed(reason="error is no object")
    code = error.get("code")
    return Answer(
        fault=Fault(
            code=code if isinstance(code, int) else 0,
            message=str(error.get("message", ""))[:MAX_MESSAGE_CHARACTERS],
            data=error.get("data"),
        )
    )


# Values for the node


def show_bytes(raw: bytes) -> str:
    return "0x" + raw.hex()


def show_block_ref(at: BlockRef | None) -> Any:
    """A number, or an EIP-1898 object that fails once the block left the chain; None is pending."""
    if at is None:
        return "pending"
    if isinstance(at, int):
        return hex(at)
    return {"blockHash": show_bytes(at), "requireCanonical": True}


def show_call(call: Call) -> dict[str, Any]:
    shown: dict[str, Any] = {"input": show_bytes(call.data)}
    if call.to is not None:
        shown["to"] = show_bytes(call.to)
    if call.sender is not None:
        shown["from"] = show_bytes(call.sender)
    if call.value_wei:
        shown["value"] = hex(call.value_wei)
    if call.gas is not None:
        shown["gas"] = hex(call.gas)
    return shown


def show_filter(wanted: LogFilter) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "fromBlock": hex(wanted.first_block),
        "toBlock": hex(wanted.last_block),
    }
    if wanted.addresses:
        shown["address"] = [show_bytes(one) for one in wanted.addresses]
    if wanted.topics:
        shown["topics"] = [
            [show_bytes(one) for one in alternatives] or None for alternatives in wanted.topics
        ]
    return shown


# Values from the node


def read_quantity(value: Any) -> int:
    """Raises: AnswerMalformed."""
    if not isinstance(value, str) or not value.startswith("0x") or len(value) > 66:
        raise AnswerMalformed(reason="not a quantity", found=str(value)[:80])
    try:
        return int(value, 16)
    except ValueError as error:
        raise AnswerMalformed(reason="not a quantity", found=value) from error


def read_bytes(value: Any, size: int | None = None) -> bytes:
    """Raises: AnswerMalformed, also when the length is not `size`."""
    if not isinstance(value, str) or not value.startswith("0x"):
        raise AnswerMalformed(reason="not hex data", found=str(value)[:80])
    try:
        raw = bytes.fromhex(value[2:])
    except ValueError as error:
        raise AnswerMalformed(reason="not hex data", found=value[:80]) from error
    if size is not None and len(raw) != size:
        raise AnswerMalformed(reason="wrong length", wanted=size, found=len(raw))
    return raw


def read_block(value: Any) -> Block:
    fields = _object(value)
    return Block(
        number=BlockNumber(read_quantity(fields.get("number"))),
        hash=BlockHash(read_bytes(fields.get("hash"), HASH_BYTES)),
        parent_hash=BlockHash(read_bytes(fields.get("parentHash"), HASH_BYTES)),
        timestamp=read_quantity(fields.get("timestamp")),
        base_fee_wei=read_quantity(fields.get("baseFeePerGas")),
        gas_limit=read_quantity(fields.get("gasLimit")),
    )


def read_log(value: Any) -> Log:
    fields = _object(value)
    return Log(
        address=Address(read_bytes(fields.get("address"), ADDRESS_BYTES)),
        topics=tuple(read_bytes(topic, HASH_BYTES) for topic in _list(fields.get("topics"))),
        data=read_bytes(fields.get("data")),
        block_number=BlockNumber(read_quantity(fields.get("blockNumber"))),
        block_hash=BlockHash(read_bytes(fields.get("blockHash"), HASH_BYTES)),
        transaction_hash=TransactionHash(read_bytes(fields.get("transactionHash"), HASH_BYTES)),
        log_index=read_quantity(fields.get("logIndex")),
        is_removed=fields.get("removed") is True,
    )


def read_logs(value: Any) -> list[Log]:
    return [read_log(one) for one in _list(value)]


def read_receipt(value: Any) -> Receipt:
    fields = _object(value)
    created = fields.get("contractAddress")
    return Receipt(
        transaction_hash=TransactionHash(read_bytes(fields.get("transactionHash"), HASH_BYTES)),
        block_number=BlockNumber(read_quantity(fields.get("blockNumber"))),
        block_hash=BlockHash(read_bytes(fields.get("blockHash"), HASH_BYTES)),
        succeeded=read_quantity(fields.get("status")) == 1,
        gas_used=read_quantity(fields.get("gasUsed")),
        effective_gas_price_wei=read_quantity(fields.get("effectiveGasPrice")),
        contract_address=None if created is None else Address(read_bytes(created, ADDRESS_BYTES)),
        logs=tuple(read_log(one) for one in _list(fields.get("logs"))),
    )


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise AnswerMalformed(reason="not an object", found=str(value)[:80])
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise AnswerMalformed(reason="not a list", found=str(value)[:80])
    return value
