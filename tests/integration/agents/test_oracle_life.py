"""Oracles of a home bring themselves to where their signatures count, and back after a kill."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from fastapi import FastAPI

from offchain.agents.adapters.http_oracle import add_oracles
from offchain.agents.delivery import oracle_service
from offchain.apps.network import Network
from offchain.apps.oracles import OracleHouse, OracleSeat, chain_oracles, open_oracles
from offchain.attestation.adapters.http_relayer import relayer_server
from offchain.attestation.adapters.http_subject import add_offers
from offchain.attestation.relay import Relay
from offchain.node.face_routes import Counters, add_errors
from offchain.node.leased_sender import LeasedSender
from tests.support.attested import Attested, open_attested

ORACLES = 3


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attested]:
    world = open_attested(tmp_path_factory.mktemp("oracles"))
    try:
        yield world
    finally:
        world.chain.close()


def house_of(world: Attested, folder: Path, url: str) -> OracleHouse:
    """The oracles of the first operators, as a process that starts opens them."""
    seats = [
        OracleSeat(
            folder / f"operator-{number}",
            number + 1,
            LeasedSender(world.chain.signers[number].address, partial(_sender, world, number)),
        )
        for number in range(ORACLES)
    ]
    house = open_oracles(world.network, world.home, seats, [], url)
    assert house is not None
    return house


class _Kept:
    """A sender that stays open when it is given back."""

    def __init__(self, world: Attested, number: int) -> None:
        self._sender = world.chain.senders[number]

    def __getattr__(self, name: str) -> object:
        return getattr(self._sender, name)

    def close(self) -> None:
        return None


def _sender(world: Attested, number: int) -> object:
    return _Kept(world, number)


@asynccontextmanager
async def served(world: Attested, folder: Path, port: int) -> AsyncIterator[OracleHouse]:
    """A process with oracles."""
    house = await asyncio.to_thread(house_of, world, folder, f"http://127.0.0.1:{port}")
    app = FastAPI()
    add_errors(app, Counters())
    add_offers(app, house.desk)
    add_oracles(app, house.oracles)
    server = relayer_server(app, port)
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield house
    finally:
        server.should_exit = True
        await serving


async def until_standing(network: Network, house: OracleHouse, relays: list[Relay]) -> None:
    """Rounds of everybody until all oracles stand."""
    ledger = chain_oracles(network)
    for _ in range(20):
        for chore in house.chores:
            await chore.work()
        await asyncio.gather(*(one.round() for one in relays))
        if len(await asyncio.to_thread(ledger.standing)) == ORACLES:
            return
    raise AssertionError("no oracles after twenty rounds")


def test_oracles__from_nothing__attested_enrolled_and_the_same_after_a_kill(
    world: Attested, tmp_path: Path, free_tcp_port: int
) -> None:
    async def story() -> None:
        network = world.network
        async with world.relays(tmp_path) as relays:
            async with served(world, tmp_path, free_tcp_port) as house:
                await until_standing(network, house, relays)
            before = {one.signer: one for one in chain_oracles(network).standing()}
            async with served(world, tmp_path, free_tcp_port) as house:
                for chore in house.chores:
                    assert await chore.work() == 0  # nothing is due: the same keys have stood
            after = {one.signer: one for one in chain_oracles(network).standing()}

        assert before == after
        assert {1, 2, 3} == {one.operator_id for one in before.values()}
        assert all(one.is_simulated for one in before.values())
        at = network.node.block()
        for one in before.values():
            live = network.attestations.live(one.signer, at.timestamp, at=at.hash)
            assert live.service == oracle_service(one.operator_id)

    asyncio.run(story())


def test_oracles__verdict_has_ended__signatures_do_not_count_until_it_is_renewed(
    world: Attested, tmp_path: Path, free_tcp_port: int
) -> None:
    async def story() -> None:
        network = world.network
        async with (
            world.relays(tmp_path) as relays,
            served(world, tmp_path, free_tcp_port) as house,
        ):
            await until_standing(network, house, relays)
            until = max(one.until for one in chain_oracles(network).standing())
            world.pass_until(until + 1)
            assert not chain_oracles(network).standing()
            for _ in range(2):
                world.enter_epoch()
            await until_standing(network, house, relays)
        assert all(one.until > until for one in chain_oracles(network).standing())

    asyncio.run(story())
