"""A client reads, builds and understands its contract: real bytecode on an in-process EVM."""

import pytest

from offchain.chain.errors import (
    AnswerMalformed,
    ArgumentInvalid,
    BlockUnknown,
    ContractReverted,
    NotDeployed,
)
from offchain.chain.model import Address, BlockHash, TypedCall
from offchain.chain.node import Node
from offchain.chain.sender import TransactionSender
from offchain.chain.shapes import ShapeMismatch
from offchain.core.units import BlockNumber
from tests.support.probe import Bumped, Figure, NotAllowed, Point, ProbeClient, probe_at

STRANGER = Address(b"\x51" * 20)
KEY = b"\x07" * 32


def test_read__at_an_older_block__answers_of_that_block(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    before = node.block()
    sender.execute(probe.bump(KEY), key="bump")

    after = node.block()

    assert 0 == probe.count(at=before.number) == probe.count(at=before.hash)
    assert 1 == probe.count(at=after.number) == probe.count(at=after.hash)


def test_read__at_an_unknown_hash__fails_instead_of_answering_about_another(
    probe: ProbeClient,
) -> None:
    with pytest.raises(BlockUnknown):
        probe.count(at=BlockHash(b"\x01" * 32))


def test_read_many__several_arguments__one_answer_each(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    sender.execute(probe.bump(KEY), key="bump")

    found = probe.effects_of([KEY, bytes(32), KEY], at=node.block().hash)

    assert found == [1, 0, 1]
    assert probe.effects_of([], at=node.block().hash) == []


def test_struct__sent_as_dataclass__comes_back_equal(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    figure = Figure(STRANGER, [Point(1, -1), Point(2**256 - 1, -(2**127))], "square", KEY)

    sender.execute(probe.draw(figure), key="draw")

    assert figure == probe.shown(at=node.block().hash)


def test_struct__sent_as_mapping_or_tuple__is_the_same_call(probe: ProbeClient) -> None:
    as_dataclass = probe.draw(Figure(STRANGER, [Point(1, 2)], "dot", KEY))
    as_mapping = probe.draw(
        {"owner": STRANGER, "corners": [{"x": 1, "y": 2}], "label": "dot", "digest": KEY}
    )
    as_tuple = probe.draw((STRANGER, [(1, 2)], "dot", KEY))

    assert as_dataclass == as_mapping == as_tuple


@pytest.mark.parametrize(
    "figure",
    [
        (b"\x01" * 19, [], "", KEY),
        (STRANGER, [(1,)], "", KEY),
        (STRANGER, [(-1, 0)], "", KEY),
        (STRANGER, [(2**256, 0)], "", KEY),
        (STRANGER, [], "", b"\x01" * 33),
        {"owner": STRANGER},
        7,
    ],
)
def test_argument__does_not_fit_its_type__is_named(probe: ProbeClient, figure: object) -> None:
    with pytest.raises(ArgumentInvalid):
        probe.draw(figure)


def test_outputs__several__come_in_order_with_the_caller(node: Node, probe: ProbeClient) -> None:
    assert probe.pair(3, sender=STRANGER, at=node.block().hash) == (3, STRANGER)


def test_default_arguments__each_count__is_its_own_function(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    sender.execute(probe.add(1), key="one")
    sender.execute(probe.add(1, 2), key="two")

    assert probe.count(at=node.block().hash) == 14


def test_value__to_a_function_that_takes_none__is_a_bug_of_ours(probe: ProbeClient) -> None:
    with pytest.raises(ShapeMismatch):
        probe._build("add", 1, value_wei=1)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (1, "no reason given"),
        (2, "panic: arithmetic overflow"),
        (3, "unknown error 0xc076ae46"),
    ],
)
def test_read__contract_refuses__reason_in_words(
    node: Node, probe: ProbeClient, kind: int, reason: str
) -> None:
    with pytest.raises(ContractReverted) as caught:
        probe.refusal(kind, at=node.block().hash)

    assert ("Probe", "refuse", reason) == (
        caught.value.contract,
        caught.value.function,
        caught.value.reason,
    )


def test_read__contract_refuses_with_a_known_reason__domain_error(
    node: Node, probe: ProbeClient
) -> None:
    with pytest.raises(NotAllowed) as caught:
        probe.refusal(0, at=node.block().hash)

    assert caught.value.fields["reason"] == "probe: not allowed"


def test_read_many__one_of_them_refused__names_the_reason(node: Node, probe: ProbeClient) -> None:
    with pytest.raises(ContractReverted, match="probe: x too large"):
        probe._read_many(object, "pair", [(1,), (100,)], at=node.block().hash)


def test_read__nothing_at_the_address__not_deployed(node: Node, probe: ProbeClient) -> None:
    absent = probe_at(node, STRANGER)

    with pytest.raises(NotDeployed):
        absent.count(at=node.block().hash)


def test_event__from_a_receipt__is_the_dataclass(
    sender: TransactionSender, probe: ProbeClient
) -> None:
    receipt = sender.execute(probe.bump(KEY), key="bump")

    assert [Bumped(sender.account, KEY, 1, "bumped")] == probe.events_in(Bumped, receipt.logs)


def test_event__of_another_contract__is_not_taken_for_ours(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    receipt = sender.execute(probe.bump(KEY), key="bump")
    neighbour = probe_at(node, STRANGER)

    assert neighbour.events_in(Bumped, receipt.logs) == []
    with pytest.raises(AnswerMalformed):
        neighbour.decode_event(Bumped, receipt.logs[0])


def test_event_filter__indexed_field_fixed__finds_only_those(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    for number in range(3):
        sender.execute(probe.bump(bytes([number]) * 32), key=f"bump {number}")
    head = node.block().number

    wanted = probe.event_filter(
        Bumped, first_block=0, last_block=head, indexed={"key": b"\x01" * 32}
    )
    found = probe.events_in(Bumped, node.logs(wanted))

    assert [event.key for event in found] == [b"\x01" * 32]


def test_balance_and_code__at_a_block(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    before = node.block()
    sender.execute(probe.bump(KEY, value_wei=5), key="bump")

    assert node.balance(probe.address, at=before.hash) == 0
    assert node.balance(probe.address, at=node.block().hash) == 5
    assert node.code(probe.address, at=BlockNumber(0)) == b""
    assert len(node.code(probe.address, at=before.hash)) > 100


def test_call__to_an_account_without_code__has_an_effect_only_of_value(
    node: Node, sender: TransactionSender
) -> None:
    sender.execute(TypedCall(STRANGER, b"", 3, "", "transfer"), key="gift")

    assert node.balance(STRANGER, at=node.block().hash) == 3
