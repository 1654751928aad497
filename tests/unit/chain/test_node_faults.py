"""What nodes say, word for word, and the error it is here."""

import pytest

from offchain.chain.errors import (
    AnswerMalformed,
    BlockUnknown,
    CallReverted,
    FeeTooLow,
    InsufficientFunds,
    NodeOverloaded,
    NonceTaken,
    TooManyResults,
    TransactionRefused,
)
from offchain.chain.node_faults import error_of, is_already_known, revert_payload
from offchain.chain.ports import Fault

GETH, ANVIL, PYEVM, PUBLIC = "geth", "anvil", "embedded", "public endpoint"


@pytest.mark.parametrize(
    ("node", "code", "message", "kind"),
    [
        (GETH, -32000, "nonce too low: next nonce 5, tx nonce 4", NonceTaken),
        (ANVIL, -32003, "nonce too low", NonceTaken),
        (GETH, -32000, "replacement transaction underpriced", FeeTooLow),
        (GETH, -32000, "transaction underpriced: tip needed 1, tip permitted 0", FeeTooLow),
        (ANVIL, -32003, "replacement transaction underpriced", FeeTooLow),
        (ANVIL, -32003, "max fee per gas less than block base fee", FeeTooLow),
        (
            GETH,
            -32000,
            "max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1, baseFee: 2",
            FeeTooLow,
        ),
        (
            GETH,
            -32000,
            "insufficient funds for gas * price + value: balance 0, tx cost 1, overshot 1",
            InsufficientFunds,
        ),
        (ANVIL, -32003, "Insufficient funds for gas * price + value", InsufficientFunds),
        (PYEVM, -32000, "insufficient funds for transfer", InsufficientFunds),
        (GETH, -32000, "header not found", BlockUnknown),
        (GETH, -32000, "hash 0x01 is not currently canonical", BlockUnknown),
        (ANVIL, -32001, "Resource not found", BlockUnknown),
        (
            ANVIL,
            -32602,
            "BlockOutOfRangeError: block height is 5 but requested was 9",
            BlockUnknown,
        ),
        (PYEVM, -32000, "block 9 not found", BlockUnknown),
        (PUBLIC, -32005, "query returned more than 10000 results", TooManyResults),
        (PUBLIC, -32602, "eth_getLogs is limited to a 10,000 block range", TooManyResults),
        (PYEVM, -32005, "query exceeds max block range 10000", TooManyResults),
        (PUBLIC, -32005, "daily request count exceeded, request rate limited", NodeOverloaded),
        (PUBLIC, 429, "Too Many Requests", NodeOverloaded),
        (PYEVM, -32000, "txpool is full: 4096 transactions wait", NodeOverloaded),
        (GETH, 3, "execution reverted: probe: no", CallReverted),
        (ANVIL, 3, "execution reverted", CallReverted),
        (GETH, -32000, "execution reverted", CallReverted),
        (GETH, -32000, "invalid opcode: INVALID", CallReverted),
        (PYEVM, -32000, "exceeds block gas limit: gas 2, limit 1", TransactionRefused),
        (GETH, -32000, "intrinsic gas too low", TransactionRefused),
        (GETH, -32601, "the method eth_foo does not exist/is not available", AnswerMalformed),
        (GETH, -32000, "", TransactionRefused),
    ],
)
def test_error_of__words_of_a_node__typed(
    node: str, code: int, message: str, kind: type[Exception]
) -> None:
    assert type(error_of(Fault(code, message))) is kind, node


@pytest.mark.parametrize("message", ["already known", "Transaction already imported"])
def test_is_already_known__node_has_it__true(message: str) -> None:
    assert is_already_known(Fault(-32000, message))


def test_is_already_known__other_refusal__false() -> None:
    assert not is_already_known(Fault(-32000, "nonce too low"))


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        ("0x08c379a0", b"\x08\xc3\x79\xa0"),
        ({"data": "0x01"}, b"\x01"),
        ("Reverted 0x02", b"\x02"),
        ("0x", b""),
        (None, b""),
        ("0xzz", b""),
        ("free text", b""),
        (["0x01"], b""),
    ],
)
def test_revert_payload__wherever_it_is__found(data: object, payload: bytes) -> None:
    assert payload == revert_payload(Fault(3, "execution reverted", data))
