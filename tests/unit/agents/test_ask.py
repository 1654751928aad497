"""What is said to an agent's host and what it answers: bounded, typed, and back again."""

import json

import pytest

from offchain.agents.ask import MAX_BYTES, Answer, Ask, Payee, State
from offchain.agents.runtime_errors import AskMalformed

ASK = Ask("one", "Say it.", 5, 1_900_000_000, "answer", {"question": "what?"})


def test_ask__as_bytes__comes_back() -> None:
    assert Ask.from_bytes(ASK.to_bytes()) == ASK


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"run": "../x"},
        {"run": 7},
        {"goal": ["x"]},
        {"budget": 5},
        {"budget": "0"},
        {"budget": "-1"},
        {"budget": "٣"},
        {"budget": "9" * 40},
        {"deadline": "1"},
        {"deadline": True},
        {"deadline": 0},
        {"inputs": {"question": 1}},
        {"inputs": []},
        {"tools": ["storage.put"]},
        {"service": "0x00"},
    ],
)
def test_ask__of_another_form__is_refused(change: dict[str, object]) -> None:
    body = {**json.loads(ASK.to_bytes()), **change}

    with pytest.raises(AskMalformed):
        Ask.from_bytes(json.dumps(body).encode())


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"[" * 10_000, b" " * (MAX_BYTES + 1)])
def test_ask__that_is_no_small_object__is_refused(raw: bytes) -> None:
    with pytest.raises(AskMalformed):
        Ask.from_bytes(raw)


def test_answer__of_each_state__comes_back() -> None:
    payee = Payee(b"\x01" * 20, b"\x02" * 20, b"\x03" * 32)
    for answer in (
        Answer(State.PAY, payee),
        Answer(State.WORKING),
        Answer(State.ENDED, None, "goal", "the report", b'{"log": 1}'),
    ):
        assert Answer.from_bytes(answer.to_bytes()) == answer


@pytest.mark.parametrize("change", [{"state": "paid"}, {"key": "0x01"}, {"service": None}])
def test_answer__of_another_form__is_refused(change: dict[str, object]) -> None:
    body = json.loads(Answer(State.PAY, Payee(bytes(20), bytes(20), bytes(32))).to_bytes())

    with pytest.raises(AskMalformed):
        Answer.from_bytes(json.dumps({**body, **change}).encode())
