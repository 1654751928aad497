"""A call at a block that is named by its hash is asked once; any other, each time."""

from collections.abc import Sequence

import pytest

from offchain.chain.errors import CallReverted
from offchain.chain.model import Address, BlockHash, Call
from offchain.chain.node import Node
from offchain.chain.past_calls import MOST_OF_ONE, PastCalls
from offchain.chain.ports import Answer, Fault, Question

BLOCK, NEXT = BlockHash(b"\x01" * 32), BlockHash(b"\x02" * 32)
PLACE = Address(b"\x09" * 20)


def call(number: int) -> Call:
    return Call(PLACE, bytes([number]))


class Counting:
    """A node that tells the number of questions so far, and reverts on calls with 0xff."""

    def __init__(self) -> None:
        self.asked: list[Question] = []

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        answers = []
        for one in questions:
            self.asked.append(one)
            if one.params[0]["input"] == "0xff":
                answers.append(Answer(fault=Fault(3, "execution reverted", "0x")))
            else:
                answers.append(Answer(f"0x{len(self.asked):02x}"))
        return answers

    def close(self) -> None:
        return None


@pytest.fixture
def transport() -> Counting:
    return Counting()


@pytest.fixture
def node(transport: Counting) -> Node:
    return Node(transport)


def test_calls__again_at_the_same_hash__ask_only_what_is_new(
    node: Node, transport: Counting
) -> None:
    assert node.calls([call(1), call(2)], at=BLOCK) == [b"\x01", b"\x02"]

    assert node.calls([call(2), call(3), call(1)], at=BLOCK) == [b"\x02", b"\x03", b"\x01"]
    assert node.calls([call(2), call(3), call(1)], at=BLOCK) == [b"\x02", b"\x03", b"\x01"]

    assert len(transport.asked) == 3


def test_calls__at_another_hash__are_asked(node: Node) -> None:
    assert node.calls([call(1)], at=BLOCK) == [b"\x01"]
    assert node.calls([call(1)], at=NEXT) == [b"\x02"]
    assert node.calls([call(1)], at=BLOCK) == [b"\x01"]


def test_calls__at_a_number__are_asked_each_time(node: Node) -> None:
    assert [node.calls([call(1)], at=7) for _ in range(3)] == [[b"\x01"], [b"\x02"], [b"\x03"]]


@pytest.mark.parametrize(
    "other",
    [
        Call(PLACE, b"\x01", sender=PLACE),
        Call(PLACE, b"\x01", value_wei=1),
        Call(PLACE, b"\x01", gas=21_000),
        Call(Address(b"\x08" * 20), b"\x01"),
    ],
    ids=["sender", "value", "gas", "contract"],
)
def test_calls__that_differ_in_one_field__are_asked(node: Node, other: Call) -> None:
    assert node.calls([call(1)], at=BLOCK) == [b"\x01"]
    assert node.calls([other], at=BLOCK) == [b"\x02"]


def test_calls__one_reverts__its_own_place_is_named_each_time(
    node: Node, transport: Counting
) -> None:
    node.calls([call(1)], at=BLOCK)

    for _ in range(2):
        with pytest.raises(CallReverted) as refused:
            node.calls([call(1), call(0xFF)], at=BLOCK)
        assert refused.value.index == 1

    assert len(transport.asked) == 3


def test_past_calls__over_their_size__forget_those_used_longest_ago() -> None:
    past = PastCalls(most_bytes=30)
    for number in range(3):
        past.keep(BLOCK, call(number), bytes(9))
    assert past.find(BLOCK, call(0)) == bytes(9)

    past.keep(BLOCK, call(3), bytes(9))

    assert past.find(BLOCK, call(1)) is None
    assert past.find(BLOCK, call(0)) == past.find(BLOCK, call(3)) == bytes(9)


def test_past_calls__a_large_answer__is_not_kept() -> None:
    past = PastCalls()

    past.keep(BLOCK, call(1), bytes(MOST_OF_ONE))

    assert past.find(BLOCK, call(1)) is None
