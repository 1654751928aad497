"""Answers of contracts as values: strict, but for text that anybody may have written."""

import pytest
from eth_abi.abi import encode

from offchain.chain.contract_abi import Parameter, decode_values
from offchain.chain.errors import AnswerMalformed

TEXTS = [Parameter("one", "string"), Parameter("many", "string[]"), Parameter("count", "uint256")]


def test_decode_values__text_that_is_no_utf8__marked_and_the_rest_kept() -> None:
    raw = encode(["bytes", "bytes[]", "uint256"], [b"http://\xff", ["ü".encode(), b"\xc3"], 7])

    one, many, count = decode_values("texts", TEXTS, raw)

    assert one == "http://\ufffd"
    assert tuple(many) == ("ü", "\ufffd")
    assert count == 7


def test_decode_values__answer_cut_short__malformed() -> None:
    raw = encode(["string", "string[]", "uint256"], ["a", ["b"], 7])
    with pytest.raises(AnswerMalformed):
        decode_values("texts", TEXTS, raw[:-32])
