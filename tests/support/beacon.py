"""Deploy the beacon on the real ledger and court, with relayers whose keys the tests hold."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import boa

from offchain.core.hashing import keccak
from offchain.staking.beacon import BeaconId, Contribution, build_contribution, seats_of, sign_for
from offchain.staking.court import OffenceClass
from offchain.staking.tree import Leaf, StakeTree
from tests.support.court import COIN, CourtSite, a_rule, deploy_court, rule_tuple, to_time
from tests.support.staking import (
    CUTOFF,
    DAY,
    EPOCH,
    RELAYER,
    AnOperator,
    a_member,
    key_bytes,
    staking_deployer,
)

BEACON_ABSENT = 32
EVIDENCE_SECONDS = 7 * DAY


@dataclass(frozen=True, slots=True)
class BeaconSite:
    """A beacon whose seats are drawn among `relayers`."""

    court_site: CourtSite
    beacon: Any
    relayers: tuple[AnOperator, ...]

    @property
    def stake(self) -> Any:
        return self.court_site.stake

    @property
    def court(self) -> Any:
        return self.court_site.court

    def identity(self) -> BeaconId:
        address = bytes.fromhex(self.beacon.address[2:])
        return BeaconId(int(boa.env.evm.patch.chain_id), address)

    def tree(self, epoch: int) -> StakeTree:
        """The RELAYER tree frozen for an epoch, read pool by pool."""
        leaves = {}
        for relayer in self.relayers:
            pool = relayer.pool(RELAYER)
            seat = self.court_site.staking.registry.seat_of(pool)
            if seat:
                weight = self.stake.weight_at(pool, epoch)
                key_hash = keccak(self.stake.key_at(relayer.operator_id, epoch))
                leaves[seat - 1] = Leaf(relayer.operator_id, weight, key_hash)
        return StakeTree(leaves)

    def seed(self, epoch: int) -> bytes:
        """What the seats of `epoch` are drawn with."""
        return bytes(self.beacon.randomness(epoch - 1))

    def holders(self, epoch: int) -> dict[int, int]:
        """Operator id -> bitmap of its seats of `epoch`."""
        tree = self.tree(epoch - 1)
        return {
            tree.leaves[seat].operator_id: bits
            for seat, bits in seats_of(tree, self.seed(epoch)).items()
        }

    def contribution(self, epoch: int, operators: Iterable[int]) -> Contribution:
        by_id = {relayer.operator_id: relayer for relayer in self.relayers}
        prior = self.seed(epoch)
        chosen = list(operators)
        return build_contribution(
            self.tree(epoch - 1),
            prior,
            epoch=epoch,
            signatures={
                operator: sign_for(by_id[operator].key, self.identity(), epoch, prior)
                for operator in chosen
            },
            keys={operator: by_id[operator].key.public_key() for operator in chosen},
        )

    def contribute(self, contribution: Contribution, sender: str) -> int:
        return int(self.beacon.contribute(*arguments(contribution), sender=sender))

    def to_window(self) -> int:
        """Travel into the window of the next epoch that can still be contributed to."""
        epoch = int(self.stake.current_epoch()) + 1
        if boa.env.timestamp >= self.stake.epoch_start(epoch) - CUTOFF:
            epoch += 1
        to_time(self.stake.epoch_start(epoch) - CUTOFF)
        return epoch


def arguments(contribution: Contribution) -> tuple[Any, ...]:
    return (
        contribution.epoch,
        contribution.aggregate,
        list(contribution.cover.words),
        list(contribution.cover.hashes),
        [[key[start : start + 32] for start in range(0, 128, 32)] for key in contribution.keys],
    )


def deploy_beacon(stakes: Iterable[int]) -> BeaconSite:
    """One relayer for each stake in coins; the absence of a seat costs 0.5 %."""
    court_site = deploy_court(rules=False)
    beacon = staking_deployer("RandomBeacon").deploy(
        court_site.stake.address, court_site.governance, EVIDENCE_SECONDS
    )
    beacon.wire_court(court_site.court.address, sender=court_site.governance)
    rule = a_rule(
        beacon.address,
        offence_class=OffenceClass.MISSED,
        service=RELAYER,
        base_bps=50,
        reporter_bps=500,
        evidence_seconds=EVIDENCE_SECONDS,
    )
    court_site.court.add_type(BEACON_ABSENT, rule_tuple(rule), sender=court_site.governance)
    relayers = tuple(
        a_member(court_site.staking, number, service=RELAYER, own=stake * COIN)
        for number, stake in enumerate(stakes, start=1)
    )
    return BeaconSite(court_site, beacon, relayers)


def keys_of(relayers: Iterable[AnOperator]) -> list[bytes]:
    return [key_bytes(relayer.key) for relayer in relayers]


def epochs(count: int) -> int:
    return count * EPOCH
