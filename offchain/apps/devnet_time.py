"""Moving a devnet's clock: only a devnet offers this, and only forward."""

from offchain.apps.network import Network
from offchain.apps.rpc_probe import RpcProbe


def travel_to(rpc: RpcProbe, timestamp: int) -> int:
    """Seal a block at or after `timestamp`; how many seconds the clock moved."""
    before = now = rpc.head_time()
    while now < timestamp:
        # The clock is moved from the machine's time, which the newest block may be ahead of.
        rpc.ask("evm_increaseTime", timestamp - now)
        rpc.ask("evm_mine")
        now = rpc.head_time()
    return now - before


def first_open_epoch(network: Network) -> int:
    """The first epoch whose cut-off is still ahead: a change made now counts from it."""
    block = network.node.block()
    epoch = network.stake.current_epoch(at=block.hash) + 1
    while network.stake.epoch_cutoff(epoch, at=block.hash) <= block.timestamp:
        epoch += 1
    return epoch


def enter_epoch(network: Network, rpc: RpcProbe, epoch: int) -> int:
    """Travel to just after an epoch's start; how many seconds the clock moved."""
    block = network.node.block()
    return travel_to(rpc, network.stake.epoch_start(epoch, at=block.hash) + 1)
