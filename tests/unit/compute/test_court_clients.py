"""The clients of both courts: every call encodes, every event and struct has its dataclass."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from offchain.chain.contract import ContractClient
from offchain.chain.deployments import Deployment, Deployments
from offchain.chain.model import TransactionHash, TypedCall, parse_address
from offchain.compute import onchain_audit_court as audits
from offchain.compute import onchain_receipt_court as receipts
from offchain.compute.audit_draw import Ballot, candidates_of, committee_of
from offchain.compute.model import SignedReceipt
from offchain.compute.reverts_courts import AUDITS, RECEIPTS
from offchain.compute.shown import SettledBatch
from offchain.core.hashing import keccak
from offchain.core.units import BlockNumber, Wei
from offchain.staking.tree import Leaf, StakeTree
from tests.unit.compute.test_audit_draw import an_item

ADDRESS = "0x" + "11" * 20
MODULES = {
    "ReceiptCourt": "ReceiptCourt receipt_rules leaf_demands",
    "AuditCourt": "AuditCourt audit_book audit_leaves audit_life auditor_dues ballots committee"
    " track_record",
}
SHARED = "openings findings sum_path court_credits"


def deployed(*names: str) -> Deployments:
    nothing = TransactionHash(bytes(32))
    one = {
        name: Deployment(name, parse_address(ADDRESS), BlockNumber(1), nothing, (), "", "")
        for name in names
    }
    return Deployments("test", 31_337, one)


class NoReader:
    """Builds ask no chain."""


@pytest.fixture
def audit_court() -> audits.AuditCourtClient:
    # a client that only builds calls never touches its reader
    return audits.AuditCourtClient(deployed("AuditCourt"), NoReader())  # type: ignore[arg-type]


@pytest.fixture
def receipt_court() -> receipts.ReceiptCourtClient:
    # a client that only builds calls never touches its reader
    return receipts.ReceiptCourtClient(deployed("ReceiptCourt"), NoReader())  # type: ignore[arg-type]


def batch() -> SettledBatch:
    payers = [bytes([number]) * 20 for number in (1, 2)]
    return SettledBatch.of(3, [an_item(payer, (5, 6, 7)) for payer in payers])


def test_audit_court__every_call__encodes(audit_court: audits.AuditCourtClient) -> None:
    opened, court = batch(), audit_court
    tree = StakeTree({0: Leaf(1, 7, keccak(b"1")), 1: Leaf(2, 9, keccak(b"2"))})
    ballot = Ballot(3, 1, 2, 1, bytes(32), bytes(32))
    shown = candidates_of(committee_of(bytes(32), tree, seats=2, barred=9), tree)

    calls = [
        court.draw(3, shown),
        court.reveal(3, bytes(32)),
        court.commit(ballot),
        court.vote(ballot),
        court.advance(3),
        court.escalate(3, bond=Wei(7)),
        court.convict(3, 0, opened.item(1), opened.hashed(1, 2)),
        court.request(opened.item(0), 4, deposit=Wei(3)),
        court.punish(3, 1, 2),
        court.pay(3),
        court.withdraw(bytes(20)),
    ]

    assert_sends_all(court, calls)
    assert [call.value_wei for call in calls if call.value_wei] == [7, 3]


def test_receipt_court__every_call__encodes(receipt_court: receipts.ReceiptCourtClient) -> None:
    opened, court = batch(), receipt_court
    item, first, second = opened.item(0), opened.leaf(0, 0), opened.leaf(0, 1)
    other = SignedReceipt(second.signed.receipt, bytes(65))

    calls = [
        court.prove(receipts.ComputeOffence.BAD_PRICE, item, first),
        court.prove_count(item, first, bytes(183), 3, [bytes(32)] * 2),
        court.prove_sums(item, opened.hashed(0, 2)),
        court.prove_repeat(item, first, second),
        court.prove_equivocation(item, first, other),
        court.demand(item, 2, bond=Wei(9)),
        court.answer(item, first),
        court.close(item),
        court.declare_fault(item, first),
        court.withdraw(bytes(20)),
    ]

    assert_sends_all(court, calls)


def assert_sends_all(court: ContractClient, calls: list[TypedCall]) -> None:
    """Each call goes to its own function, and no function that changes state is left out."""
    changing = {call.function for call in calls}
    assert len(changing) == len(calls)
    assert len({call.data[:4] for call in calls}) == len(calls)
    assert all(call.to == court.address and call.contract == court.contract for call in calls)
    table = (Path(__file__).parents[3] / "contracts" / "README.md").read_text()
    rows = re.findall(rf"^\| {court.contract} \| [^|]+ \| (.+) \|$", table, re.MULTILINE)
    assert changing == {name for row in rows for name in re.findall(r"`(\w+)`", row)}


@pytest.mark.parametrize(
    ("client", "kinds"),
    [
        (
            audits.AuditCourtClient,
            [
                audits.AuditRequested,
                audits.CommitteeDrawn,
                audits.BundleRevealed,
                audits.BallotCommitted,
                audits.Voted,
                audits.StateChanged,
                audits.Escalated,
                audits.DrawConvicted,
                audits.AuditorPunished,
                audits.AuditorsPaid,
            ],
        ),
        (
            receipts.ReceiptCourtClient,
            [receipts.OffenceProven, receipts.LeafDemanded, receipts.DemandLapsed],
        ),
    ],
)
def test_events__fields__are_the_contracts(client: type[ContractClient], kinds: list[type]) -> None:
    abi = client.interface()

    for kind in kinds:
        event = abi.event(kind.__name__)
        assert [one.name for one in event.inputs] == [one.name for one in fields(kind)]


@pytest.mark.parametrize(
    ("contract", "known"), [("ReceiptCourt", RECEIPTS), ("AuditCourt", AUDITS)]
)
def test_reverts__every_reason_of_a_contract__leads_to_an_error(
    contract: str, known: dict[str, object]
) -> None:
    folder = Path(__file__).parents[3] / "contracts" / "compute"
    wanted: set[str] = set()
    for name in (MODULES[contract] + " " + SHARED).split():
        wanted |= set(re.findall(r'"([a-z_]+: [^"]+)"', (folder / f"{name}.vy").read_text()))

    assert wanted <= set(known)
