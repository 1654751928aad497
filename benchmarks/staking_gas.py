"""Gas of staking transactions, mined on the devnet chain with cold storage.

The pool has earned rewards, the delegator is new, and the deposit is the first change of its epoch
in the pool and in the service: every slot that such a deposit can need is a new one. The tree is
stored as high as its members need, four times as many a level: a level costs a deposit 22k gas.
"""

import sys

from eth_account import Account

from benchmarks.chain_stage import ChainStage
from benchmarks.rows import Row, at_most, measure
from offchain.apps.genesis import scaled_genesis
from offchain.chain.devnet.genesis import dev_accounts
from offchain.core.bls import DST_POSSESSION, SecretKey
from offchain.core.hashing import keccak
from offchain.core.units import WEI_PER_COIN

COMMAND = "apogee bench staking"
DA = 1
MEMBERS = 64  # fills three stored levels of the tree; one more needs the fourth
BARS: dict[str, int | None] = {
    "register": 450_000,
    "delegate": 260_000,
    f"delegate.{MEMBERS + 1}_members": None,
    "delegate.again": None,
    "request_exit": None,
    "withdraw": 70_000,
    "claim": 80_000,
    "join": None,
    "reward": None,
}


class StakingStage:
    """A chain with one service of `MEMBERS` operators."""

    def __init__(self) -> None:
        self.stage = ChainStage()
        owner = "0x" + dev_accounts()[0].address.hex()
        treasury = "0x" + dev_accounts()[1].address.hex()
        self.stage.deploy(scaled_genesis(governance=owner, treasury=treasury))
        self.gas: dict[str, int] = {}
        for number in range(MEMBERS):
            self._enrol(number)
        self.pool = 1 << 8 | DA

    def pass_epochs(self, epochs: int) -> None:
        """From the head on: a chain that mines fast runs ahead of the clock on the wall."""
        chain = self.stage.chain
        seconds = epochs * int(self.stage.read("StakeManager", "epoch_length"))
        chain.set_next_timestamp(chain.head.header.timestamp + seconds)
        chain.mine()

    def _enrol(self, number: int) -> None:
        secret = keccak(b"operator", bytes([number]))
        key = SecretKey.from_seed(secret)
        owner = _address(secret)
        self.stage.fund(owner, 110 * WEI_PER_COIN)
        raw = key.public_key().eip2537()
        digest = self.stage.read("OperatorRegistry", "possession_digest", owner, raw)
        proof = key.sign(digest, DST_POSSESSION).eip2537()
        self.gas["register"] = self.stage.send_as(
            secret, "OperatorRegistry", "register", raw, proof
        )
        self.gas["join"] = self.stage.value_call(
            secret, "StakeManager", "join", DA, 0, value=100 * WEI_PER_COIN
        )

    def live(self) -> None:
        """Delegators come, earn, leave and are paid."""
        first, second, third = (keccak(b"delegator", bytes([number])) for number in range(3))
        for holder in (first, second, third):
            self.stage.fund(_address(holder), 100 * WEI_PER_COIN)
        self._delegate(first)
        self._reward()
        self.pass_epochs(2)
        self.gas["delegate"] = self._delegate(second)
        self.gas["delegate.again"] = self._delegate(second)
        self.gas["reward"] = self._reward()
        self._exit(first)
        self.pass_epochs(8)
        self.gas["claim"] = self._send(second, "claim", self.pool, _address(second))
        self.gas["request_exit"] = self._exit(second)
        self.pass_epochs(200)
        self.gas["withdraw"] = self._send(second, "withdraw", 2, _address(second))
        self._enrol(MEMBERS)
        self.pass_epochs(2)
        self.gas[f"delegate.{MEMBERS + 1}_members"] = self._delegate(third)

    def _exit(self, secret: bytes) -> int:
        return self._send(secret, "request_exit", self.pool, 3 * WEI_PER_COIN, 0)

    def _send(self, secret: bytes, function: str, *arguments: object) -> int:
        return self.stage.send_as(secret, "StakeManager", function, *arguments)

    def _delegate(self, secret: bytes) -> int:
        return self.stage.value_call(
            secret, "StakeManager", "delegate", self.pool, 0, value=5 * WEI_PER_COIN
        )

    def _reward(self) -> int:
        return self.stage.send("StakeManager", "reward", self.pool, value=WEI_PER_COIN)


def run() -> list[Row]:
    """Whole transactions: intrinsic gas, calldata, execution, refunds."""
    stage = StakingStage()
    stage.live()
    return [
        at_most(f"staking.gas.{name}", stage.gas[name], "gas", bar, command=COMMAND)
        for name, bar in BARS.items()
    ]


def _address(secret: bytes) -> bytes:
    return bytes.fromhex(Account.from_key(secret).address[2:])


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
