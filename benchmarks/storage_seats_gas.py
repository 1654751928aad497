"""Gas of storage seats: an ask, and the draw of a group of 32 over 32 operators.

Figures are whole transactions on the devnet chain.
"""

from eth_account import Account

from benchmarks.chain_stage import ChainStage
from benchmarks.rows import Row, at_most
from offchain.apps.genesis import scaled_genesis
from offchain.chain.devnet.genesis import dev_accounts
from offchain.core.bls import DST_POSSESSION, SecretKey
from offchain.core.hashing import keccak
from offchain.core.units import WEI_PER_COIN
from offchain.staking.onchain import split_key
from offchain.staking.tree import Leaf, StakeTree
from offchain.storage.model import profile_named
from offchain.storage.seat_draw import (
    Ask,
    Candidate,
    DrawCall,
    DrawsId,
    Load,
    Lottery,
    draw_calls,
    draw_group,
)

COMMAND = "apogee bench storage --json"
STORAGE = 2
OPERATORS = 32
BAR_DRAW = 1_000_000
STAKE_WEI = 100 * WEI_PER_COIN
PRICE = 4 * 10**8
CAPACITY = 2**42
LONGEST = 2_000
CHAIN_ID = 31_337


class SeatStage:
    """A chain with operators that ask, and groups drawn over them."""

    def __init__(self, operators: int = OPERATORS) -> None:
        self.stage = ChainStage()
        owner = "0x" + dev_accounts()[0].address.hex()
        treasury = "0x" + dev_accounts()[1].address.hex()
        self.stage.deploy(scaled_genesis(governance=owner, treasury=treasury))
        self.keys: dict[int, SecretKey] = {}
        self.secrets: dict[int, bytes] = {}
        self.ask_gas = 0
        for number in range(operators):
            self._join(number)
        self._epochs(1)

    def draw_group(self) -> tuple[int, int]:
        """Request a durable group and draw it; its id and the gas of all calls."""
        profile = profile_named("durable")
        self.stage.send("StorageSeats", "request_group", profile.number, 2 * PRICE)
        group = int(self.stage.read("StorageSeats", "newest_group"))
        self._epochs(2)
        lottery, epoch = self._lottery(group)
        candidates = {
            one: Candidate(
                Ask(*self.stage.read("StorageDraws", "ask_at", one, epoch)),
                Load(*self.stage.read("StorageDraws", "load_of", one)),
            )
            for one in self.keys
        }
        drawn = list(draw_group(lottery, 0, candidates))
        calls = draw_calls(lottery, 0, drawn)
        return group, sum(self._show(call) for call in calls)

    def _show(self, call: DrawCall) -> int:
        keys = [split_key(self.keys[one].public_key().eip2537()) for one in call.operators]
        cover = call.cover
        words = list(cover.words), list(cover.hashes), keys, call.picks
        return self.stage.send("StorageDraws", "draw", call.group, call.seat, *words)

    def _lottery(self, group: int) -> tuple[Lottery, int]:
        requested = group >> 16
        epoch = int(self.stage.read("StorageDraws", "seed_epoch", requested))
        leaves = {}
        for one, key in self.keys.items():
            pool = one << 8 | STORAGE
            weight = self.stage.read("StakeManager", "weight_at", pool, epoch)
            seat = self.stage.read("OperatorRegistry", "seat_of", pool) - 1
            leaves[seat] = Leaf(one, weight, keccak(key.public_key().eip2537()))
        lottery = Lottery(
            DrawsId(CHAIN_ID, self.stage.contracts["StorageDraws"].address),
            group,
            profile_named("durable"),
            self.stage.read("RandomBeacon", "randomness", epoch),
            StakeTree(leaves),
            2 * PRICE,
            int(self.stage.read("OperatorRegistry", "clock")[3]),
        )
        return lottery, epoch

    def _join(self, number: int) -> None:
        secret = keccak(b"storage operator", bytes([number]))
        key = SecretKey.from_seed(secret)
        owner = bytes.fromhex(Account.from_key(secret).address[2:])
        self.stage.fund(owner, STAKE_WEI + 10 * WEI_PER_COIN)
        raw = key.public_key().eip2537()
        digest = self.stage.read("OperatorRegistry", "possession_digest", owner, raw)
        proof = key.sign(digest, DST_POSSESSION).eip2537()
        self.stage.send_as(secret, "OperatorRegistry", "register", raw, proof)
        self.stage.value_call(secret, "StakeManager", "join", STORAGE, 0, value=STAKE_WEI)
        self.ask_gas = self.stage.send_as(
            secret,
            "StorageDraws",
            "set_ask",
            PRICE,
            CAPACITY,
            LONGEST,
            f"http://127.0.0.1:{5_000 + number}",
        )
        operator_id = int(self.stage.read("StakeManager", "operator_of", owner))
        self.keys[operator_id], self.secrets[operator_id] = key, secret

    def _epochs(self, count: int) -> None:
        length = self.stage.read("StakeManager", "epoch_length")
        self.stage.chain.increase_time(count * length)
        self.stage.chain.mine()


def seat_rows() -> list[Row]:
    """The first draw of all pays for counters that every later one finds."""
    stage = SeatStage()
    _, first = stage.draw_group()
    _, later = stage.draw_group()
    return [
        at_most("storage.draw.gas", later, "gas", BAR_DRAW, command=COMMAND),
        at_most("storage.draw.gas.first", first, "gas", None, command=COMMAND),
        at_most("storage.ask.gas", stage.ask_gas, "gas", None, command=COMMAND),
    ]
