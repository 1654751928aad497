"""`apogee stake ...` against a real devnet: money in, a look before, money out."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.apps.cli import main
from offchain.apps.keystore import Keystore
from offchain.apps.network import open_sender
from offchain.core.units import WEI_PER_COIN
from offchain.staking.model import Service, pool_id
from tests.support.deployed_chain import DeployedChain
from tests.support.job_home import JobHome, a_job_home

REWARD_WEI = 10 * WEI_PER_COIN


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, deployed_chain: DeployedChain
) -> Iterator[JobHome]:
    with a_job_home(tmp_path_factory.mktemp("stake"), deployed_chain) as place:
        yield place


class Shell:
    """Types commands of one home and reads the one object each prints."""

    def __init__(self, place: JobHome, capsys: pytest.CaptureFixture[str]) -> None:
        self._flags = ("--home", str(place.home.root), "--rpc-url", place.url, "--json")
        self._capsys = capsys

    def __call__(self, *words: str, code: int = 0) -> dict[str, object]:
        assert main(["stake", *words, *self._flags]) == code
        value = json.loads(self._capsys.readouterr().out)
        return value if isinstance(value, dict) else {"rows": value}


@pytest.fixture
def shell(place: JobHome, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(place, capsys)


def own(place: JobHome, pool: int) -> int:
    return place.network.stake.pool_state(pool, at=place.network.node.block().hash).own


def test_stake__from_registering_to_leaving__every_step_says_what_it_moved(
    place: JobHome, shell: Shell
) -> None:
    operator = int(str(shell("register", "--as", "keeper")["operator"]))
    pool = pool_id(operator, Service.DA)
    before = place.network.node.block().number
    look = shell("join", "100", "--as", "keeper", "--dry-run")
    assert (look["dry_run"], look["function"], look["sends"]) == (True, "join", "100")
    assert own(place, pool) == 0
    assert place.network.node.block().number >= before

    assert shell("join", "100", "--as", "keeper")["staked"] == "100"
    assert shell("deposit", "50", "--as", "keeper")["deposited"] == "50"
    assert own(place, pool) == 150 * WEI_PER_COIN
    assert shell("delegate", str(pool), "5", "--as", "saver")["delegated"] == "5"
    assert shell("claim", str(pool), "--as", "saver", code=7)["error"]
    reward = place.network.stake.reward(pool, amount_wei=REWARD_WEI)
    place.send("keeper", reward, "a reward")
    claimed = float(str(shell("claim", str(pool), "--as", "saver")["claimed"]))
    assert 0 < claimed < REWARD_WEI / WEI_PER_COIN

    tickets = shell("undelegate", str(pool), "--as", "saver")
    [ticket] = tickets["tickets"] if isinstance(tickets["tickets"], list) else []
    early = shell("withdraw", str(ticket), "--as", "saver", code=7)
    assert early["error"]
    [matures] = tickets["mature_at"] if isinstance(tickets["mature_at"], list) else []
    place.travel(int(matures) - place.now() + 1)
    look = shell("withdraw", str(ticket), "--as", "saver", "--dry-run")
    assert look["function"] == "withdraw"
    assert shell("withdraw", str(ticket), "--as", "saver")["withdrawn"] == "5"
    assert shell("exit", "10", "--as", "keeper")["tickets"]
    assert shell("commission", "500", "--as", "keeper")["commission_bps"] == 500
    rows = shell("status")["rows"]
    assert isinstance(rows, list)
    assert [(row["role"], row["service"], row["own"]) for row in rows] == [("keeper", "da", "140")]
    assert shell("leave", "--as", "keeper")["tickets"]
    assert own(place, pool) == 0


@pytest.mark.parametrize(
    ("words", "code", "name"),
    [
        (("join", "100", "--service", "moon", "--as", "keeper"), 2, "stake.service_unknown"),
        (("join", "100", "--as", "stranger"), 3, "stake.operator_unknown"),
        (("deposit", "1", "--as", "stranger"), 3, "stake.operator_unknown"),
        (("undelegate", "257", "--as", "stranger"), 3, "stake.nothing_delegated"),
        (("claim", "257", "--as", "stranger"), 7, "stake.nothing_to_claim"),
        (("join", "a lot", "--as", "keeper"), 2, "amount.invalid"),
    ],
)
def test_stake__what_cannot_be__is_refused_with_its_code_and_nothing_is_sent(
    place: JobHome, shell: Shell, words: tuple[str, ...], code: int, name: str
) -> None:
    held = place.network.stake.total_stake(at=place.network.node.block().hash)

    error = shell(*words, code=code)["error"]

    assert isinstance(error, dict)
    assert error["code"] == name
    assert place.network.stake.total_stake(at=place.network.node.block().hash) == held


def test_stake__dry_run_of_what_the_contract_refuses__is_refused_alike(
    shell: Shell, tmp_path: Path
) -> None:
    error = shell("withdraw", "999", "--as", "keeper", "--dry-run", code=3)["error"]

    assert isinstance(error, dict)
    assert str(error["code"]).startswith("staking.")
    assert not list(tmp_path.iterdir())


def test_stake__its_operators_node_is_sending__waits_for_its_turn(
    place: JobHome, shell: Shell
) -> None:
    account = Keystore(place.home.keys).account("neighbour")
    ids: list[object] = []
    command = threading.Thread(
        target=lambda: ids.append(shell("register", "--as", "neighbour")["operator"])
    )

    with open_sender(place.network, place.home, "neighbour", account):
        command.start()
        command.join(1.5)
        assert (command.is_alive(), ids) == (True, [])
    command.join(60)

    at = place.network.node.block().hash
    assert ids == [place.network.stake.operator_of(place.account("neighbour"), at=at)]
