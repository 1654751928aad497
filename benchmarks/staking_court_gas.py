"""Gas of a report that slashes and of a beacon contribution, mined with cold storage.

The evidence is a real DA equivocation. `staking.gas.report_and_slash` is what the court costs on
top of the adjudicator: the whole report less a transaction that only has the adjudicator judge the
same evidence. Every case has the same bar: `.tombstones` is the rule as it is deployed, correlated
and the end of the operator, and the first slash of the network, so every slot is new; the others
follow a milder rule. `.first` is a new reporter's first credit, `.expels` drops a pool under
MIN_STAKE, `.opens_epoch` comes before any other change of the service's epoch. Stated without a
bar: `staking.gas.reweigh`, which tells the tree afterwards, `.out` when the pool's key leaves the
sum of keys as well, and the beacon.
"""

import sys
from collections.abc import Iterator

from eth_account import Account

from benchmarks.rows import Row, at_most, measure
from benchmarks.staking_gas import MEMBERS, StakingStage
from offchain.core.bls import SecretKey
from offchain.core.hashing import keccak
from offchain.core.units import WEI_PER_COIN, Seconds
from offchain.da.model import (
    Attestation,
    Equivocation,
    attestation_digest,
    domain_separator,
    encode_equivocation,
)
from offchain.staking.beacon import BeaconId, build_contribution, seats_of, sign_for
from offchain.staking.court import commitment_of
from offchain.staking.tree import Leaf, StakeTree

COMMAND = "apogee bench staking"
BAR_REPORT = 260_000
DA, RELAYER = 1, 4
DA_EQUIVOCATION = 2
CHAIN_ID = 31_337
SALT = keccak(b"salt")
RICH = 4  # members well above MIN_STAKE
PROVEN, BASE_BPS, REPORTER_BPS = 1, 3_000, 2_000


class CourtStage:
    """The staking stage of 64 members, whose first ones equivocate."""

    def __init__(self) -> None:
        self.staking = StakingStage()
        self.stage = self.staking.stage
        self.reweighed: dict[str, int] = {}
        self.secrets = [keccak(b"operator", bytes([number])) for number in range(MEMBERS)]
        self.keys = [SecretKey.from_seed(secret) for secret in self.secrets]
        for secret in self.secrets[:RICH]:
            wei = 200 * WEI_PER_COIN
            self.stage.fund(_address(secret), wei)
            self.stage.value_call(secret, "StakeManager", "deposit", DA, value=wei)
        self.staking.pass_epochs(2)

    def reports(self) -> Iterator[tuple[str, int, int]]:
        """Name, gas of the whole report, gas of asking the adjudicator alone."""
        yield "tombstones", *self._report(0)
        self.reweighed["out"] = self._reweigh(0)
        self._stop_tombstoning()
        self.staking.pass_epochs(1)
        yield "first", *self._report(1, b"another reporter")
        self.staking.pass_epochs(1)
        yield "opens_epoch", *self._report(2)
        yield "", *self._report(3)
        self.reweighed[""] = self._reweigh(3)
        self.staking.pass_epochs(1)
        yield "expels", *self._report(RICH)

    def _reweigh(self, number: int) -> int:
        return self.stage.send("StakeManager", "reweigh", (number + 1) << 8 | DA)

    def _stop_tombstoning(self) -> None:
        """A milder rule binds at once, also after the seal."""
        address = self.stage.contracts["DAChallenges"].address
        window = self.stage.read("DAChallenges", "evidence_seconds", DA_EQUIVOCATION)
        rule = (PROVEN, DA, BASE_BPS, REPORTER_BPS, 0, window, False, False, address)
        self.stage.send("SlashingCourt", "add_type", DA_EQUIVOCATION, rule)

    def _report(self, number: int, reporter: bytes = b"reporter") -> tuple[int, int]:
        secret = keccak(reporter)
        address = _address(secret)
        self.stage.fund(address, WEI_PER_COIN)
        evidence = self._evidence(self.keys[number])
        commitment = commitment_of(evidence, address, SALT)
        self.stage.send_as(secret, "SlashingCourt", "commit", commitment)
        judged = self.stage.send_as(secret, "DAChallenges", "adjudicate", DA_EQUIVOCATION, evidence)
        whole = self.stage.send_as(
            secret, "SlashingCourt", "report", DA_EQUIVOCATION, evidence, SALT
        )
        return whole, judged

    def _evidence(self, key: SecretKey) -> bytes:
        domain = domain_separator(
            chain_id=CHAIN_ID, entrance=self.stage.contracts["DAEntrance"].address
        )
        epoch = int(self.stage.read("StakeManager", "current_epoch"))
        statements = [
            Attestation(
                blob_id=keccak(b"blob"),
                epoch=epoch,
                quorum_id=0,
                seed=keccak(b"seed"),
                data_root=keccak(data),
                commitment_hash=keccak(b"commitment"),
                columns=8,
                length=1_000,
                expiry=Seconds(2**40),
            )
            for data in (b"one", b"other")
        ]
        first, second = (key.sign(attestation_digest(one, domain)) for one in statements)
        case = Equivocation(key.public_key(), statements[0], first, statements[1], second)
        return encode_equivocation(case)

    def beacon(self) -> tuple[int, int]:
        """All 32 seats in one call: distinct holders, gas."""
        for secret in self.secrets[1:]:  # the first one is tombstoned
            wei = 100 * WEI_PER_COIN
            self.stage.fund(_address(secret), wei)
            self.stage.value_call(secret, "StakeManager", "join", RELAYER, 0, value=wei)
        self.staking.pass_epochs(2)
        self._contribute()
        return self._contribute()

    def _contribute(self) -> tuple[int, int]:
        chain = self.stage.chain
        now = int(self.stage.read("StakeManager", "current_epoch"))
        chain.set_next_timestamp(self.stage.read("StakeManager", "epoch_start", now + 1))
        chain.mine()
        epoch = now + 2
        leaves = {
            int(self.stage.read("OperatorRegistry", "seat_of", number << 8 | RELAYER)) - 1: Leaf(
                number,
                self.stage.read("StakeManager", "weight_at", number << 8 | RELAYER, epoch - 1),
                keccak(self.keys[number - 1].public_key().eip2537()),
            )
            for number in range(1, MEMBERS + 1)
            if self.stage.read("OperatorRegistry", "seat_of", number << 8 | RELAYER)
        }
        tree = StakeTree(leaves)
        prior = self.stage.read("RandomBeacon", "randomness", epoch - 1)
        beacon = BeaconId(CHAIN_ID, self.stage.contracts["RandomBeacon"].address)
        holders = [tree.leaves[seat].operator_id for seat in seats_of(tree, prior)]
        one = build_contribution(
            tree,
            prior,
            epoch=epoch,
            signatures={n: sign_for(self.keys[n - 1], beacon, epoch, prior) for n in holders},
            keys={n: self.keys[n - 1].public_key() for n in holders},
        )
        chain.set_next_timestamp(self.stage.read("StakeManager", "epoch_cutoff", epoch))
        keys = [[key[start : start + 32] for start in range(0, 128, 32)] for key in one.keys]
        gas = self.stage.send(
            "RandomBeacon",
            "contribute",
            one.epoch,
            one.aggregate,
            list(one.cover.words),
            list(one.cover.hashes),
            keys,
        )
        return len(holders), gas


def run() -> list[Row]:
    """The court alone; with `.whole` and `.adjudicator`, the two whole transactions."""
    stage = CourtStage()
    rows = []
    for suffix, whole, judged in stage.reports():
        name = ".".join(filter(None, ("staking.gas.report_and_slash", suffix)))
        rows.append(at_most(name, whole - judged, "gas", BAR_REPORT, command=COMMAND))
        rows.append(at_most(f"{name}.whole", whole, "gas", None, command=COMMAND))
        rows.append(at_most(f"{name}.adjudicator", judged, "gas", None, command=COMMAND))
    for suffix, gas in stage.reweighed.items():
        name = ".".join(filter(None, ("staking.gas.reweigh", suffix)))
        rows.append(at_most(name, gas, "gas", None, command=COMMAND))
    holders, gas = stage.beacon()
    rows.append(at_most(f"staking.gas.beacon.{holders}_holders", gas, "gas", None, command=COMMAND))
    return rows


def _address(secret: bytes) -> bytes:
    return bytes.fromhex(Account.from_key(secret).address[2:])


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
