"""`apogee node ask|drain`: an operator's terms for storage, and its seats handed over in order."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Final

from offchain.apps.da import network_of
from offchain.apps.exit_codes import ExitCode
from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.network import SETTLED_DEPTH, Network, address_of, open_sender
from offchain.apps.operators import node_role
from offchain.apps.output import print_json, print_result, print_table, say
from offchain.apps.storage_chores import group_events, storage_clients, storage_ledger
from offchain.core.errors import NotFound
from offchain.node.leased_sender import LeasedSender
from offchain.storage.adapters.chain_drain import ChainDrainDesk
from offchain.storage.adapters.chain_keeper import ChainKeeperLedger
from offchain.storage.drain import Drained, DrainSeats
from offchain.storage.seat_draw import Ask

GIB: Final = 1 << 30
WAIT_SECONDS: Final = 5.0


class NoSuchOperator(NotFound):
    """No operator of that number of this home is registered on this chain."""

    code = "node.operator_unknown"
    next_step = "Run `apogee up`, or name another with --index."


@dataclass(frozen=True, slots=True)
class AskWish:
    """What was typed; None: as it is."""

    price: int | None
    gib: int | None
    longest: int | None

    @property
    def is_empty(self) -> bool:
        return self.price is None and self.gib is None and self.longest is None

    def over(self, ask: Ask) -> Ask:
        """An ask with these changes."""
        return Ask(
            ask.epoch,
            ask.price if self.price is None else self.price,
            ask.capacity if self.gib is None else self.gib * GIB,
            ask.longest_epochs if self.longest is None else self.longest,
        )


@dataclass(frozen=True, slots=True)
class DrainWish:
    """What was typed."""

    is_waiting: bool
    is_dry: bool


@dataclass(frozen=True, slots=True)
class _Seats:
    """One operator on a chain."""

    network: Network
    operator: int
    desk: ChainDrainDesk

    @property
    def drain(self) -> DrainSeats:
        clients = storage_clients(self.network)
        ledger = ChainKeeperLedger(
            clients, storage_ledger(self.network), group_events(self.network), depth=SETTLED_DEPTH
        )
        return DrainSeats(self.operator, ledger, self.desk)


def ask(home: Home, index: int, wish: AskWish, *, rpc_url: str | None, as_json: bool) -> int:
    """Show the newest ask, or set another one from the next epoch on. Raises: NoSuchOperator."""
    one = _open(home, index, rpc_url)
    found = one.desk.ask(at=one.network.node.block())
    if not wish.is_empty:
        one.desk.set_ask(wish.over(found))
        found = one.desk.ask(at=one.network.node.block())
    row = {
        "operator": one.operator,
        "from_epoch": found.epoch,
        "price_wei": found.price,
        "gib": found.capacity // GIB,
        "longest_epochs": found.longest_epochs,
        "endpoint": one.network.draws.endpoint(one.operator, at=one.network.node.block().hash),
    }
    print_result(row, as_json=as_json)
    return ExitCode.DONE


def drain(home: Home, index: int, wish: DrainWish, *, rpc_url: str | None, as_json: bool) -> int:
    """Leave every seat, and with --wait stay until others have them. Raises: NoSuchOperator."""
    one = _open(home, index, rpc_url)
    seats = one.drain
    report = seats.look() if wish.is_dry else seats.step()
    while wish.is_waiting and not wish.is_dry and not report.is_over:
        _tell(report)
        time.sleep(WAIT_SECONDS)
        report = seats.step()
    _show(one.operator, report, as_json=as_json)
    return ExitCode.DONE


def _open(home: Home, index: int, rpc_url: str | None) -> _Seats:
    network, role = network_of(home, rpc_url), node_role(index)
    account = Keystore(home.keys).account(role)
    at = network.node.block().hash
    operator = network.stake.operator_of(address_of(account), at=at)
    if not operator:
        raise NoSuchOperator(index=index)
    opening = partial(open_sender, network, home, role, account)
    sender = LeasedSender(address_of(account), opening)
    return _Seats(network, operator, ChainDrainDesk(storage_clients(network), operator, sender))


def _tell(report: Drained) -> None:
    followed = sum(one.successor > 0 for one in report.owed)
    say(f"{len(report.owed)} seats owed, {followed} with a successor; the node has to go on")


def _show(operator: int, report: Drained, *, as_json: bool) -> None:
    now = report.block.timestamp
    rows = [
        {
            "group": one.group,
            "seat": one.seat,
            "state": one.state.name,
            "successor": one.successor or None,
            "owed_at_most_seconds": max(one.until - now, 0) if one.until else None,
        }
        for one in report.owed
    ]
    if as_json:
        drawn = [list(one) for one in report.drawn_for]
        print_json(
            {
                "operator": operator,
                "drained": report.is_over,
                "ask_closed": report.is_ask_closed,
                "left_now": len(report.left),
                "owed": rows,
                "drawn_for": drawn,
            }
        )
        return
    if rows:
        print_table("still served", list(rows[0]), [list(row.values()) for row in rows])
    if report.is_over:
        say("nothing is owed: the node may be stopped. next: apogee stake exit --service storage")
    else:
        say("keep the node running. next: apogee node drain --wait")
