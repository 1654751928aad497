"""Epochs of a live network: the worker serves the beacon, tests only move the clock."""

from offchain.apps.devnet_time import enter_epoch, travel_to
from offchain.apps.network import Network
from offchain.apps.rpc_probe import RpcProbe
from offchain.staking.beacon import ALL_SEATS
from tests.support.waiting import wait_until

WINDOWS = 6  # a worker that has no core for half a minute misses one


def enter_served_epoch(network: Network, rpc: RpcProbe, *, seconds: float) -> int:
    """Enter the first coming epoch whose seats the worker contributes, all of them; its number."""
    epoch = await_served_epoch(network, rpc, seconds=seconds)
    enter_epoch(network, rpc, epoch)
    return epoch


def await_served_epoch(network: Network, rpc: RpcProbe, *, seconds: float) -> int:
    """Be in the window of that epoch, with all its seats contributed."""
    for _ in range(WINDOWS):
        at = network.node.block().hash
        epoch = network.stake.current_epoch(at=at) + 1
        travel_to(rpc, network.stake.epoch_cutoff(epoch, at=at))
        wait_until(
            lambda epoch=epoch: is_served(network, epoch) or has_begun(network, epoch),
            seconds=seconds,
            what="the contribution",
        )
        if is_served(network, epoch):
            return epoch
    raise AssertionError(f"{WINDOWS} epochs began without all of their seats")


def is_served(network: Network, epoch: int) -> bool:
    return network.beacon.seats_of(epoch, at=network.node.block().hash) == ALL_SEATS


def has_begun(network: Network, epoch: int) -> bool:
    return network.stake.current_epoch(at=network.node.block().hash) >= epoch
