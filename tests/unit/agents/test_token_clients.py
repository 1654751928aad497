"""Clients of AgentNFT and AgentLeases: calls encode, events fit, every refusal has its error."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from offchain.agents import onchain_leases as leases
from offchain.agents import onchain_nft as nft
from offchain.agents.reverts_agents_leases import LEASES
from offchain.agents.reverts_agents_nft import NFT
from offchain.chain.deployments import Deployment, Deployments
from offchain.chain.model import TransactionHash, TypedCall, parse_address
from offchain.core.units import BlockNumber

ADDRESS = "0x" + "11" * 20
SOMEBODY, WORD = b"\x22" * 20, b"\x33" * 32
OWN = {
    "AgentNFT": "AgentNFT data_entries deliveries royalties stored_files token_accounts"
    " token_locks token_sheets usage_rights",
    "AgentLeases": "AgentLeases collection rentals clone_licences clone_orders credits"
    " delivery_key",
}
AT_DEPLOYMENT = {"leases: no contract", "leases: no window"}
REASON = re.compile(r'"((?:agent_nft|leases|credits|delivery_key): [^"]+)"')


class NoReader:
    """Builds ask no chain."""


def deployed(name: str) -> Deployments:
    nothing = TransactionHash(bytes(32))
    place = parse_address(ADDRESS)
    one = Deployment(name, place, BlockNumber(1), nothing, (), "", "")
    return Deployments("test", 31_337, {name: one})


@pytest.mark.parametrize(("name", "known"), [("AgentNFT", NFT), ("AgentLeases", LEASES)])
def test_reverts__every_reason_of_the_contract__leads_to_an_error(
    project_root: Path, name: str, known: dict[str, type]
) -> None:
    folder = project_root / "contracts" / "agents"
    reasons = {
        reason
        for module in OWN[name].split()
        for reason in REASON.findall((folder / f"{module}.vy").read_text())
    }

    assert reasons - AT_DEPLOYMENT <= set(known)


def test_token__every_call__encodes() -> None:
    # a client that only builds calls never touches its reader
    token = nft.AgentNFTClient(deployed("AgentNFT"), NoReader())  # type: ignore[arg-type]
    datas = [nft.IntelligentData("bundle", WORD)]
    roots = [nft.Roots(WORD, WORD, WORD, WORD)]

    calls = [
        token.mint(SOMEBODY, datas, roots, [WORD], 3, 500),
        token.update(1, datas, roots, [WORD]),
        token.approve(SOMEBODY, 1),
        token.set_approval_for_all(SOMEBODY, approved=True),
        token.i_transfer(SOMEBODY, 1, []),
        token.i_clone(SOMEBODY, 1, []),
        token.transfer_from(SOMEBODY, SOMEBODY, 1),
        token.authorize_usage(1, SOMEBODY),
        token.authorize_usage_until(1, SOMEBODY, 9),
        token.revoke_authorization(1, SOMEBODY),
        token.delegate_access(SOMEBODY),
        token.wire(SOMEBODY, SOMEBODY),
    ]

    assert all(isinstance(one, TypedCall) for one in calls)


def test_leases__every_call__encodes() -> None:
    # a client that only builds calls never touches its reader
    client = leases.AgentLeasesClient(deployed("AgentLeases"), NoReader())  # type: ignore[arg-type]
    terms = leases.RentTerms(1, SOMEBODY, 2, 3, 4)
    licence = leases.Licence(1, 2, SOMEBODY, 3, True, 4)

    calls = [
        client.set_rent(1, terms),
        client.set_licence(1, licence),
        client.rent(1, 60, terms, value_wei=300),
        client.collect(1),
        client.end_lease(1),
        client.order_clone(1, bytes(64), licence, bytes(32), value_wei=5),
        client.deliver_clone(1, []),
        client.settle_clone(1),
        client.refund_clone(1),
        client.refund_false_clone(1, [WORD]),
        client.deposit(SOMEBODY, bytes(20), 5),
        client.withdraw(bytes(20), 5, SOMEBODY),
    ]

    assert all(isinstance(one, TypedCall) for one in calls)


TOKEN_EVENTS = (
    nft.Minted,
    nft.Transferred,
    nft.Cloned,
    nft.PublishedSealedKey,
    nft.Rooted,
    nft.Prepared,
    nft.Locked,
    nft.Unlocked,
    nft.UsageGranted,
)
LEASE_EVENTS = (
    leases.Rented,
    leases.RentEarned,
    leases.LeaseEnded,
    leases.CloneOrdered,
    leases.CloneDelivered,
    leases.ClonePaid,
    leases.RoyaltyPaid,
    leases.CloneRefunded,
)


@pytest.mark.parametrize(
    ("client", "kinds"),
    [(nft.AgentNFTClient, TOKEN_EVENTS), (leases.AgentLeasesClient, LEASE_EVENTS)],
)
def test_events__of_the_abi__have_the_same_fields(
    client: type[nft.AgentNFTClient], kinds: tuple[type, ...]
) -> None:
    for kind in kinds:
        event = client.interface().event(kind.__name__)
        assert {one.name for one in event.inputs} == {one.name for one in fields(kind)}
