"""The deployment file: round trip, whole or not at all, wrong content named, chain compared."""

import json
from pathlib import Path
from typing import Any

import pytest

from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.contract_abi import artifact
from offchain.chain.deployments import (
    Deployment,
    Deployments,
    load_deployments,
    save_deployments,
    show_argument,
    verify_deployments,
)
from offchain.chain.errors import AddressInvalid, DeploymentMismatch, NotDeployed
from offchain.chain.model import (
    Address,
    TransactionHash,
    created_address,
    parse_address,
    show_address,
)
from offchain.chain.node import Node
from offchain.core.units import BlockNumber

NAME = "StakeManager"


def a_deployment(name: str = NAME, address: bytes = b"\x0a" * 20, **changes: str) -> Deployment:
    built = artifact(name)
    fields = {"integrity": built.integrity, "layout_hash": built.layout_hash, **changes}
    return Deployment(
        name,
        Address(address),
        BlockNumber(7),
        TransactionHash(b"\x0b" * 32),
        ("1", ["0x02"]),
        **fields,
    )


def a_network(*contracts: Deployment, chain_id: int = 31_337) -> Deployments:
    return Deployments("test", chain_id).including(*contracts)


def test_save__then_load__equal(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "test.json"
    network = a_network(a_deployment())

    save_deployments(path, network)
    loaded = load_deployments(path)

    assert loaded.of(NAME) == Deployment(
        NAME,
        Address(b"\x0a" * 20),
        BlockNumber(7),
        TransactionHash(b"\x0b" * 32),
        ("1", ["0x02"]),
        artifact(NAME).integrity,
        artifact(NAME).layout_hash,
    )
    assert (loaded.network, loaded.chain_id, loaded.first_block()) == ("test", 31_337, 7)
    assert [path] == list(path.parent.iterdir())


def test_load__no_file_or_no_contract__not_deployed(tmp_path: Path) -> None:
    with pytest.raises(NotDeployed):
        load_deployments(tmp_path / "absent.json")
    with pytest.raises(NotDeployed):
        a_network().address_of(NAME)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.pop("chain_id"),
        lambda body: body["contracts"][NAME].pop("integrity"),
        lambda body: body["contracts"][NAME].update(address="0x1234"),
        lambda body: body["contracts"][NAME].update(address=None),
        lambda body: body["contracts"][NAME].update(transaction_hash="0x00"),
        lambda body: body["contracts"][NAME].update(block_number="many"),
        lambda body: body.update(contracts=[]),
    ],
)
def test_load__spoiled__mismatch(tmp_path: Path, spoil: Any) -> None:
    path = tmp_path / "test.json"
    save_deployments(path, a_network(a_deployment()))
    body = json.loads(path.read_text())
    spoil(body)
    path.write_text(json.dumps(body))

    with pytest.raises(DeploymentMismatch):
        load_deployments(path)


def test_load__not_json__mismatch(tmp_path: Path) -> None:
    path = tmp_path / "test.json"
    path.write_text('{"network"')

    with pytest.raises(DeploymentMismatch):
        load_deployments(path)


def test_verify__each_contradiction__named() -> None:
    transport = EmbeddedTransport()
    node = Node(transport)
    at = node.block().hash
    cases = {
        "chain id": a_network(chain_id=5),
        "integrity": a_network(a_deployment(integrity="00")),
        "layout_hash": a_network(a_deployment(layout_hash="00")),
        "code size": a_network(a_deployment()),
    }
    for reason, network in cases.items():
        with pytest.raises(DeploymentMismatch) as caught:
            verify_deployments(network, node, at=at)
        assert reason == caught.value.fields["reason"]
    verify_deployments(a_network(), node, at=at)
    transport.close()


def test_show_argument__each_type__json() -> None:
    shown = show_argument((2**200, True, "x", b"\x01" * 32, b"\x0a" * 20, [(1,)]))

    assert shown == [
        str(2**200),
        True,
        "x",
        "0x" + "01" * 32,
        show_address(b"\x0a" * 20),
        [["1"]],
    ]
    assert json.loads(json.dumps(shown)) == shown


# EIP-55's own examples.
CHECKSUMMED = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
]


@pytest.mark.parametrize("text", CHECKSUMMED)
def test_address__checksummed__round_trip(text: str) -> None:
    assert text == show_address(parse_address(text))
    assert parse_address(text.lower()) == parse_address(text) == parse_address(text[2:])


@pytest.mark.parametrize(
    "text",
    ["", "0x", "0x12", CHECKSUMMED[0] + "00", CHECKSUMMED[0].swapcase(), "zz" * 20, b"\x01" * 19],
)
def test_address__wrong__refused(text: str | bytes) -> None:
    with pytest.raises(AddressInvalid):
        parse_address(text)


def test_created_address__known_pair() -> None:
    # Source: the first contract of Anvil's first account, as every tutorial shows it.
    sender = parse_address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")

    expected = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
    assert expected == show_address(created_address(sender, 0))
