"""Storage lives by itself under `apogee up`: seats change hands and are made again, who fails pays.

One home of four nodes for the file; a group of the profile `local` has three seats, one is spare.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.apps.home import storage_node_name
from offchain.apps.processes import Identity
from offchain.staking.model import Service, pool_id
from offchain.storage.model import SeatState
from offchain.storage.onchain_proofs import LossDeclared
from offchain.storage.ports import SeatView
from tests.support.apogee_command import run_apogee
from tests.support.deployed_chain import DeployedChain
from tests.support.stored_home import PATIENCE_SECONDS, StoredHome, a_stored_home
from tests.support.waiting import wait_until

NODES = 4


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, deployed_chain: DeployedChain
) -> Iterator[StoredHome]:
    with a_stored_home(tmp_path_factory.mktemp("stored"), deployed_chain, nodes=NODES) as place:
        yield place


def seat_of(place: StoredHome, group: int, seat: int) -> SeatView:
    at = place.network.node.block().hash
    return place.ledger.group(group, at=at).seats[seat]


def await_successor(place: StoredHome, group: int, former: SeatView) -> SeatView:
    """Epoch after epoch until somebody else serves a seat; a draw may find nobody at first."""
    for _ in range(6):
        place.next_epoch()
        try:
            wait_until(
                lambda: (
                    seat_of(place, group, former.seat).operator != former.operator
                    and seat_of(place, group, former.seat).state is SeatState.SERVING
                ),
                seconds=45,
                what="a successor",
            )
        except AssertionError:
            continue
        return seat_of(place, group, former.seat)
    raise AssertionError("nobody took the seat over")


def stake_of(place: StoredHome, operator: int) -> int:
    at = place.network.node.block().hash
    return place.network.stake.pool_state(pool_id(operator, Service.STORAGE), at=at).own


def test_inv_sto_12__a_declared_loss__is_fined_to_the_wei_and_made_again_by_a_successor(
    place: StoredHome, tmp_path: Path
) -> None:
    content = os.urandom(300_000)
    file_id = place.put(tmp_path / "in", content, "local")
    group = place.group("local")
    lost = group.seats[0]
    before = stake_of(place, lost.operator)

    receipt = place.send(lost.operator, place.network.proofs.declare_loss(group.group, lost.seat))

    [declared] = place.network.proofs.events_in(LossDeclared, receipt.logs)
    assert before - stake_of(place, lost.operator) == declared.amount > 0
    assert seat_of(place, group.group, lost.seat).state is SeatState.VACANT
    successor = await_successor(place, group.group, lost)
    assert successor.operator not in {one.operator for one in group.seats}
    assert place.get(file_id, tmp_path / "out") == content


def test_inv_sto_11__a_node_is_killed_under_its_duty__comes_back_with_its_shards(
    place: StoredHome, tmp_path: Path
) -> None:
    content = os.urandom(100_000)
    file_id = place.put(tmp_path / "in", content, "local")
    name = storage_node_name(place.node_of(place.group("local").seats[1].operator))
    before = Identity.load(place.home.pid_file(name))
    assert before is not None

    os.kill(before.pid, 9)

    def is_back() -> bool:
        now = Identity.load(place.home.pid_file(name))
        told = run_apogee("status", "--home", str(place.home.root), "--json", code=None).json()
        states = {row["name"]: row["state"] for row in told["processes"]}
        return now is not None and now.pid != before.pid and states[name] == "healthy"

    wait_until(is_back, seconds=PATIENCE_SECONDS, what="the node")
    assert place.get(file_id, tmp_path / "out") == content


def told(place: StoredHome, *words: str) -> dict:
    """What a command answers, as JSON."""
    return run_apogee(*words, "--home", str(place.home.root), "--json").json()


def test_commands__orders_asks_and_draining__do_what_they_say_on_a_live_home(
    place: StoredHome, tmp_path: Path
) -> None:
    """Standing orders by both commands, then one operator that asks, drains and has handed over."""
    content = os.urandom(50_000)
    file_id = place.put(tmp_path / "in", content, "local")
    [planned] = told(place, "storage", "renew", file_id, "--auto", "--term", "1d", "--dry-run")[
        "orders"
    ]
    assert planned["paid"] is None
    [ordered] = told(place, "storage", "renew", file_id, "--auto", "--term", "1d")["orders"]
    assert (ordered["limit"], ordered["funds"]) == (planned["limit"], planned["funds"])
    assert ordered["paid"] == ordered["funds"]
    [ended] = told(place, "storage", "order", file_id, "--end")["orders"]
    assert (ended["result"], ended["back"]) == ("ended", ordered["funds"])

    group = place.group("local")
    index = place.node_of(group.seats[0].operator)
    at = ("--index", str(index))
    asked = told(place, "node", "ask", *at)
    changed = told(place, "node", "ask", *at, "--price", str(asked["price_wei"] + 256))
    assert changed["price_wei"] == asked["price_wei"] + 256
    assert changed["endpoint"] == asked["endpoint"]

    planned = told(place, "node", "drain", *at, "--dry-run")
    assert not planned["drained"]
    assert not planned["left_now"]
    drained = told(place, "node", "drain", *at)
    assert drained["ask_closed"]
    assert drained["left_now"] >= 1
    assert SeatState.LEAVING.name in {row["state"] for row in drained["owed"]}
    again = told(place, "node", "drain", *at)
    assert again["left_now"] == 0
    assert place.get(file_id, tmp_path / "out") == content
