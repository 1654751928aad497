"""The beacon's duties of a home: every operator whose BLS key it keeps."""

from offchain.apps.home import Home
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network, address_of, beacon_parts
from offchain.chain.model import Address, BlockHash
from offchain.core.bls import SecretKey
from offchain.jobs.beacon import BeaconDuties, ServeBeacon


def serve_beacon(network: Network, home: Home, sender_address: Address) -> ServeBeacon:
    """Serve the beacon for them; `sender_address` is who would send."""
    keystore = Keystore(home.keys)
    opened: dict[str, tuple[Address, SecretKey]] = {}

    def own_keys(at: BlockHash) -> dict[int, SecretKey]:
        for role in keystore.bls_roles():
            if role not in opened:
                opened[role] = (address_of(keystore.account(role)), keystore.bls(role))
        found = {network.stake.operator_of(address, at=at): key for address, key in opened.values()}
        return {operator: key for operator, key in found.items() if operator}

    return ServeBeacon(BeaconDuties(beacon_parts(network), own_keys, sender_address))
