"""Every revert has words; known reasons have classes."""

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from offchain.chain.errors import CallReverted, ContractReverted
from offchain.chain.reverts import (
    ERROR_SELECTOR,
    MAX_REASON_CHARACTERS,
    NO_REASON,
    PANIC_SELECTOR,
    reason_of,
    typed_error,
)
from offchain.core.errors import Conflict


class Late(Conflict):
    """Too late."""


def refusal(reason: str) -> bytes:
    return ERROR_SELECTOR + encode(["string"], [reason])


@pytest.mark.parametrize(
    ("payload", "message", "reason"),
    [
        (refusal("stake: too small"), "", "stake: too small"),
        (refusal(""), "", NO_REASON),
        (PANIC_SELECTOR + encode(["uint256"], [0x11]), "", "panic: arithmetic overflow"),
        (PANIC_SELECTOR + encode(["uint256"], [0x99]), "", "panic: 0x99"),
        (b"", "execution reverted: da: expired", "da: expired"),
        (b"", "execution reverted", NO_REASON),
        (b"", "", NO_REASON),
        (b"", "invalid opcode: INVALID", "invalid opcode: INVALID"),
        (b"\x12\x34\x56\x78" + bytes(32), "", "unknown error 0x12345678"),
        (b"\x12", "", "unknown error 0x12"),
        (ERROR_SELECTOR + b"\x01", "", "malformed reason 0x08c379a001"),
    ],
)
def test_reason_of__each_form__in_words(payload: bytes, message: str, reason: str) -> None:
    assert reason == reason_of(payload, message)


@given(st.binary(max_size=200), st.text(max_size=50))
def test_reason_of__any_bytes__never_bare_and_never_long(payload: bytes, message: str) -> None:
    reason = reason_of(payload, message)

    assert reason.strip() != "0x"
    assert 0 < len(reason) <= MAX_REASON_CHARACTERS


def test_typed_error__known_reason__domain_class_with_fields() -> None:
    failure = CallReverted(refusal("stake: too late"), "")

    error = typed_error(failure, "StakeManager", "join", {"stake: too late": Late})

    assert isinstance(error, Late)
    expected = {"contract": "StakeManager", "function": "join", "reason": "stake: too late"}
    assert expected == error.fields


def test_typed_error__other_reason__contract_reverted() -> None:
    failure = CallReverted(refusal("stake: other"), "")

    error = typed_error(failure, "StakeManager", "join", {"stake: too late": Late})

    assert isinstance(error, ContractReverted)
    assert (
        error.contract,
        error.function,
        error.reason,
    ) == ("StakeManager", "join", "stake: other")
