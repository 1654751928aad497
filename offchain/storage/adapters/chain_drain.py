"""Asks and departures of an operator as transactions of its account, each effect once."""

from offchain.chain.due import execute_due
from offchain.chain.model import Block
from offchain.node.leased_sender import Sends
from offchain.storage.adapters.chain_ledger import StorageClients
from offchain.storage.seat_draw import Ask


class ChainDrainDesk:
    """A `DrainDesk` over the contracts."""

    def __init__(self, clients: StorageClients, operator: int, sender: Sends) -> None:
        self._clients = clients
        self._operator = operator
        self._sender = sender

    def ask(self, *, at: Block) -> Ask:
        """The newest: it counts from the first epoch whose weights are not frozen yet."""
        stake = self._clients.stake
        epoch = stake.current_epoch(at=at.hash) + 1
        if at.timestamp >= stake.epoch_cutoff(epoch, at=at.hash):
            epoch += 1
        return self._clients.draws.ask_at(self._operator, epoch, at=at.hash)

    def set_ask(self, ask: Ask) -> None:
        block = self._clients.reader.block()
        endpoint = self._clients.draws.endpoint(self._operator, at=block.hash)
        terms = (ask.price, ask.capacity, ask.longest_epochs)
        before = self.ask(at=block)
        named = ":".join(map(str, (*terms, before.price, before.epoch)))
        call = self._clients.draws.set_ask(*terms, endpoint)
        execute_due(self._sender, call, key=f"storage.ask:{named}")

    def leave(self, group: int, seat: int) -> None:
        seats = self._clients.seats
        generation = seats.seat(group, seat, at=self._clients.reader.block().hash).generation
        call = seats.leave(group, seat)
        execute_due(self._sender, call, key=f"storage.leave:{group}:{seat}:{generation}")

    def leaves_at(self, group: int, seat: int, *, at: Block) -> int:
        return self._clients.seats.seat(group, seat, at=at.hash).leaves_at
