"""Gas of storage seats: an ask, the draw of a group of 32 over 32 operators, receipts of its seats.

Figures are whole transactions on the devnet chain, receipts with real signatures of all seats but
the absent. The first file of a group or of an epoch writes slots that later ones find written. The
bar of receipts is one for the whole transaction, higher by a step for each absent seat; the absent
are spread as badly as can be, each over another word of seats.
"""

from eth_account import Account

from benchmarks.chain_stage import ChainStage
from benchmarks.rows import Row, at_most
from offchain.apps.genesis import scaled_genesis
from offchain.chain.devnet.genesis import dev_accounts
from offchain.core.bls import DST_POSSESSION, SecretKey, aggregate_signatures
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
BAR_CONFIRM = 260_000
BAR_ABSENT = 7_400
ABSENT = (3, 9, 20, 31)
TERM_EPOCHS = 100
MAX_COST = WEI_PER_COIN
MEGABYTE = 1_000_000


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

    def confirm(self, nonce: int, absent: tuple[int, ...] = ()) -> tuple[int, int]:
        """Submit and place a file; its group, and the gas of confirming it."""
        stage, root = self.stage, keccak(b"root", nonce.to_bytes(4, "big"))
        owner = dev_accounts()[2].address
        terms = (1, MEGABYTE, profile_named("durable").number, 1, TERM_EPOCHS, MAX_COST, 2**63)
        submission = ("0x" + owner.hex(), nonce, root, *terms)
        stage.send("StorageLog", "submit", submission, b"", sender=2, value=MAX_COST)
        file_id = bytes(stage.read("StorageLog", "submission_id", submission[0], root, nonce))
        stage.chain.mine()
        stage.chain.mine()
        stage.send("StorageMarket", "place", file_id)
        group = int(stage.read("StorageMarket", "duty", file_id)[1])
        digest = stage.read("StorageMarket", "held_digest", file_id)
        keys = [self.keys[one] for one in stage.read("StorageSeats", "operators_of", group)]
        held = [key.sign(digest) for seat, key in enumerate(keys) if seat not in absent]
        missing = [keys[seat].public_key().eip2537() for seat in absent]
        shown = b"".join(key[16:64] + key[80:128] for key in missing)
        bitmap = sum(1 << seat for seat in absent)
        receipts = (file_id, bitmap, aggregate_signatures(held).eip2537(), shown)
        return group, stage.send("StorageMarket", "confirm", *receipts)

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


def confirm_rows(stage: SeatStage) -> list[Row]:
    """Receipts of 32 seats in the only open group: its first file, a later one, seats absent."""
    _, first = stage.confirm(0)
    _, usual = stage.confirm(1)
    _, one = stage.confirm(2, ABSENT[:1])
    _, absent = stage.confirm(3, ABSENT)
    return [
        at_most("storage.confirm.gas", usual, "gas", BAR_CONFIRM, command=COMMAND),
        at_most("storage.confirm.gas.first_of_group", first, "gas", None, command=COMMAND),
        at_most(
            "storage.confirm.gas.1_absent", one, "gas", BAR_CONFIRM + BAR_ABSENT, command=COMMAND
        ),
        at_most(
            "storage.confirm.gas.4_absent",
            absent,
            "gas",
            BAR_CONFIRM + len(ABSENT) * BAR_ABSENT,
            command=COMMAND,
        ),
        at_most(
            "storage.confirm.gas.each_more_absent",
            (absent - one) / (len(ABSENT) - 1),
            "gas",
            None,
            command=COMMAND,
        ),
    ]


def seat_rows() -> list[Row]:
    """The first draw of all pays for counters that every later one finds."""
    stage = SeatStage()
    _, first = stage.draw_group()
    confirms = confirm_rows(stage)
    _, later = stage.draw_group()
    return [
        *confirms,
        at_most("storage.draw.gas", later, "gas", BAR_DRAW, command=COMMAND),
        at_most("storage.draw.gas.first", first, "gas", None, command=COMMAND),
        at_most("storage.ask.gas", stage.ask_gas, "gas", None, command=COMMAND),
    ]
