"""A newcomer becomes a provider on the real contracts, once, however often it is asked."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_type_hints

import pytest

from offchain.apps.compute_delegate import DelegateWish, DelegateWishInvalid, delegate
from offchain.apps.home import Home
from offchain.apps.network import Network
from offchain.apps.provider_home import ProviderFile, ProviderPlace
from offchain.apps.provider_init import ProviderInit, ScriptOnDevnetOnly, Wish, specs_of
from offchain.apps.stake import Actor
from offchain.chain.contract import ContractClient
from offchain.compute.model import ServiceState
from tests.support.da_chain import DaChain, deploy_chain


@dataclass
class Market:
    """One chain and the home of a newcomer."""

    chain: DaChain
    network: Network
    place: ProviderPlace
    init: ProviderInit

    def told(self, capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
        """What an `init --json` says."""
        capsys.readouterr()
        assert self.init.run() == 0
        return json.loads(capsys.readouterr().out)


def network_over(chain: DaChain) -> Network:
    """Every client of a network, over a chain in this process."""
    clients = {
        name: kind(chain.deployments, chain.node)
        for name, kind in get_type_hints(Network).items()
        if isinstance(kind, type) and issubclass(kind, ContractClient)
    }
    return Network(node=chain.node, deployments=chain.deployments, **clients)


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    folder = tmp_path_factory.mktemp("chain")
    chain = deploy_chain(folder, ["http://127.0.0.1:9401"])
    network = network_over(chain)
    home = Home.at(tmp_path_factory.mktemp("home"))
    place = ProviderPlace(home, "provider")
    actor = Actor(home, network, "provider", as_json=True)
    wish = Wish(specs=specs_of(["scripted"], url=None, numerics="fp32", device="cpu"))
    yield Market(chain, network, place, ProviderInit(actor, wish))
    chain.close()


def test_init__of_a_newcomer__registers_stakes_prices_and_activates_once(
    market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    first = market.told(capsys)
    again = market.told(capsys)

    assert [one["step"] for one in first["steps"] if one["new"]] == [
        "keys",
        "operator",
        "stake",
        "service",
        "price",
        "serving",
    ]
    assert [one["step"] for one in again["steps"] if one["new"]] == []
    [service] = ProviderFile.load(market.place).offered
    at = market.chain.node.block().hash
    known = market.init.registry.service(service.service, at=at)
    assert known.state is ServiceState.ACTIVE
    assert known.endpoint == first["endpoint"]
    assert known.signer != known.provider
    assert market.init.registry.is_serving(service.service, at=at)


def test_init__with_another_price__announces_one_row_and_keeps_the_rest(
    market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    market.told(capsys)
    actor, specs = market.init.actor, market.init.wish.specs
    dearer = Market(
        market.chain,
        market.network,
        market.place,
        ProviderInit(actor, Wish(specs=specs, output_price="5gwei")),
    )

    found = dearer.told(capsys)

    assert [one["step"] for one in found["steps"] if one["new"]] == ["price"]
    assert [one["step"] for one in dearer.told(capsys)["steps"] if one["new"]] == []


def test_init__scripted_engine_off_a_devnet__is_refused(market: Market) -> None:
    from dataclasses import replace

    actor = market.init.actor
    far = replace(market.network, deployments=replace(market.network.deployments, chain_id=1))

    with pytest.raises(ScriptOnDevnetOnly):
        ProviderInit(replace(actor, network=far), market.init.wish).run()


def test_delegate__given_widened_and_taken_back__is_what_the_chain_says(
    market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    payer = Actor(market.place.home, market.network, "gateway", as_json=True)
    key = "0x" + "9d" * 20

    def told(wish: DelegateWish) -> dict[str, object]:
        capsys.readouterr()
        assert delegate(payer, wish) == 0
        return json.loads(capsys.readouterr().out)

    given = told(DelegateWish(key, "0.5", 7))
    wider = told(DelegateWish(key, "0.75", 8))
    taken = told(DelegateWish(key, None, 7, is_revoked=True))

    assert (given["cap"], wider["cap"], given["revoked"]) == ("0.5", "0.75", False)
    assert (taken["revoked"], taken["cap"]) == (True, "0.75")
    for wish in (DelegateWish(key, None, 7), DelegateWish(key, "1", 7, is_revoked=True)):
        with pytest.raises(DelegateWishInvalid):
            delegate(payer, wish)
