"""The JSON-RPC envelope: what is a request, and what is refused before anything runs."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.chain.devnet.envelope import Invalid, Request, parse_body
from offchain.chain.devnet.faults import BadRequest, LimitExceeded, NotJson, RpcFault

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(raw=st.binary(max_size=200))
def test_body__any_bytes__parsed_or_refused_with_a_fault(raw: bytes) -> None:
    try:
        parsed = parse_body(raw)
    except RpcFault as fault:
        assert fault.as_rpc()["code"] in {-32_700, -32_600, -32_005}
    else:
        assert parsed.members


@given(value=json_values)
def test_body__any_json__each_member_is_a_request_or_says_why_not(value: object) -> None:
    try:
        parsed = parse_body(json.dumps(value).encode())
    except RpcFault:
        return
    for member in parsed.members:
        assert isinstance(member, Request | Invalid)


def test_body__request__method_params_and_id_kept() -> None:
    parsed = parse_body(b'{"jsonrpc":"2.0","id":"a","method":"eth_call","params":[1]}')

    assert not parsed.is_batch
    assert parsed.members == [Request("eth_call", [1], "a", wants_answer=True)]


def test_body__without_id__wants_no_answer() -> None:
    (member,) = parse_body(b'{"method":"eth_call"}').members

    assert isinstance(member, Request)
    assert not member.wants_answer


@pytest.mark.parametrize("depth", [1, 64])
def test_nesting__within_the_bound__parsed(depth: int) -> None:
    parse_body(b"[" * depth + b"0" + b"]" * depth)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'["]",'])
def test_nesting__beyond_the_bound__refused_before_the_parser_sees_it(opening: bytes) -> None:
    with pytest.raises(NotJson):
        parse_body(opening * 200_000)


def test_nesting__brackets_inside_strings__do_not_count() -> None:
    body = [{"id": 1, "method": "m", "params": ["[" * 500, '\\"{' * 500]}] * 3

    assert len(parse_body(json.dumps(body).encode()).members) == 3


def test_batch__empty_or_too_long__refused() -> None:
    with pytest.raises(BadRequest):
        parse_body(b"[]")
    with pytest.raises(LimitExceeded):
        parse_body(b"[" + b"0," * 1_000 + b"0]")
