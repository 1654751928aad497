"""The demo does not wait for epochs: it serves the beacon in its window and moves the clock on."""

from offchain.apps.beacon import serve_beacon
from offchain.apps.devnet_time import enter_epoch, travel_to
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network, open_sender
from offchain.apps.operators import node_role
from offchain.apps.system import System


def enter_served_epoch(system: System, network: Network) -> int:
    """Contribute the coming epoch's seats in their window, then enter it; its number."""
    at = network.node.block().hash
    epoch = network.stake.current_epoch(at=at) + 1
    travel_to(system.rpc, network.stake.epoch_cutoff(epoch, at=at))
    role = node_role(0)
    account = Keystore(system.home.keys).account(role)
    with open_sender(network, system.home, role, account) as sender:
        serve_beacon(network, system.home, sender.account).contribute(epoch, sender)
    enter_epoch(network, system.rpc, epoch)
    return epoch
