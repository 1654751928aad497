"""Gas of the courts of compute: opening a dispute, showing a leaf, and one audit from end to end.

Figures are whole transactions on the devnet chain, of a full batch of 64 items whose first has
2^20 leaves, so both paths are as long as they get. `compute.court.dispute.gas` is the demand that
opens a dispute, `.leaf.gas` the answer with 577 bytes of receipt and twenty levels,
`.proof.gas` a proof of a bad price on top, with the refund and the slash behind it.
"""

import sys

from eth_account import Account

from benchmarks.chain_stage import CHAIN_ID, ChainStage
from benchmarks.rows import Row, at_most, measure
from offchain.apps.genesis import scaled_genesis
from offchain.chain.devnet.genesis import dev_accounts
from offchain.chain.keys import LocalSigner
from offchain.compute.audit_draw import (
    Ballot,
    Committee,
    candidates_of,
    committee_of,
    seed_of,
)
from offchain.compute.batch import SettleItem
from offchain.compute.model import Finish, Receipt, SignedVoucher, Voucher, compute_domain
from offchain.compute.onchain_escrow import ItemWords, item_words
from offchain.compute.shown import receipt_fields
from offchain.compute.sum_tree import SumNode, SumTree, parent, receipt_leaf
from offchain.core.bls import DST_POSSESSION, SecretKey
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from offchain.core.units import WEI_PER_COIN
from offchain.staking.tree import Leaf, StakeTree

COMMAND = "python -m benchmarks.compute_court_gas"
BAR_DISPUTE = 150_000
ITEMS = 64
LEVELS = 20
PRICE = 183
AUDITORS = 8
COMPUTE, ALIGNMENT = 3, 5
BAD_PRICE = 16
BUNDLE = keccak(b"bundle")


class CourtStage:
    """A provider, auditors and sixty-four payers, whose batch is settled."""

    def __init__(self) -> None:
        self.stage = ChainStage()
        owner = "0x" + dev_accounts()[0].address.hex()
        self.stage.deploy(scaled_genesis(governance=owner, treasury=owner))
        self.secrets = [keccak(b"operator", bytes([number])) for number in range(AUDITORS + 1)]
        self.provider = self.secrets[0]
        self._join(self.provider, COMPUTE, 1_000 * WEI_PER_COIN)
        for secret in self.secrets[1:]:
            self._join(secret, ALIGNMENT, 100 * WEI_PER_COIN)
        self._pass(2 * int(self.stage.read("StakeManager", "epoch_length")))
        self.service = self._serve()
        self._settle()

    def disputes(self) -> list[tuple[str, int]]:
        """Demand and answer of a leaf, then a proof against the same one."""
        secret, shown = keccak(b"payer", bytes([0])), self._item(0)
        bond = 2 * int(self.stage.read("ReceiptCourt", "bond"))
        demand = self.stage.value_call(secret, "ReceiptCourt", "demand", shown, 0, value=bond)
        leaf = (0, receipt_fields(self.receipt), self.signature, self.path)
        answer = self.stage.send("ReceiptCourt", "answer", shown, leaf)
        proof = self.stage.send("ReceiptCourt", "prove", BAD_PRICE, shown, leaf)
        return [("dispute", demand), ("leaf", answer), ("proof", proof)]

    def audit(self) -> list[tuple[str, int]]:
        """Every call of an audit in which nothing failed."""
        stage, batch = self.stage, 1
        for _ in range(3):
            stage.chain.mine()
        committee, draw = self._draw(batch)
        reveal = stage.send_as(self.provider, "AuditCourt", "reveal", batch, BUNDLE)
        ballots = [Ballot(batch, 1, one, 0, BUNDLE, BUNDLE) for one in committee.members]
        keys = [self.secrets[one - 1] for one in committee.members]
        commits = [
            stage.send_as(key, "AuditCourt", "commit", batch, one.commitment())
            for key, one in zip(keys, ballots, strict=True)
        ]
        votes = [
            stage.send_as(key, "AuditCourt", "vote", batch, 0, one.statistics, one.salt)
            for key, one in zip(keys, ballots, strict=True)
        ]
        decide = stage.send("AuditCourt", "advance", batch)
        self._pass(1_000)
        end = stage.send("AuditCourt", "advance", batch)
        whole = draw + reveal + sum(commits) + sum(votes) + decide + end
        return [
            ("draw", draw),
            ("reveal", reveal),
            ("commit", max(commits)),
            ("vote", max(votes)),
            ("whole", whole),
        ]

    def _draw(self, batch: int) -> tuple[Committee, int]:
        stage = self.stage
        posted = stage.read("ComputeEscrow", "batch", batch)
        block = posted[7] + 2
        epoch = (posted[8] - stage.read("StakeManager", "epoch_start", 0)) // stage.read(
            "StakeManager", "epoch_length"
        )
        block_hash = stage.chain.ledger.block_hash(block) or bytes(32)
        random = stage.read("RandomBeacon", "randomness", epoch)
        seed = seed_of(random, block_hash, audit=batch, rnd=1)
        tree = self._tree(epoch)
        committee = committee_of(seed, tree, seats=3, barred=1)
        return committee, stage.send("AuditCourt", "draw", batch, candidates_of(committee, tree))

    def _tree(self, epoch: int) -> StakeTree:
        leaves = {}
        for number in range(2, AUDITORS + 2):
            pool = number << 8 | ALIGNMENT
            seat = self.stage.read("OperatorRegistry", "seat_of", pool) - 1
            weight = self.stage.read("StakeManager", "weight_at", pool, epoch)
            key = self.stage.read("StakeManager", "key_at", number, epoch)
            leaves[seat] = Leaf(number, weight, keccak(key))
        return StakeTree(leaves)

    def _join(self, secret: bytes, service: int, wei: int) -> None:
        key, owner = SecretKey.from_seed(secret), _address(secret)
        self.stage.fund(owner, wei + 10 * WEI_PER_COIN)
        public = key.public_key().eip2537()
        digest = self.stage.read("OperatorRegistry", "possession_digest", owner, public)
        proof = key.sign(digest, DST_POSSESSION).eip2537()
        self.stage.send_as(secret, "OperatorRegistry", "register", public, proof)
        self.stage.value_call(secret, "StakeManager", "join", service, 0, value=wei)

    def _serve(self) -> bytes:
        owner, stage = _address(self.provider), self.stage
        terms = (1, 2, keccak(b"model"), bytes(32), 4_096, 1_024, 8, bytes(32))
        where = "http://127.0.0.1:9000"
        stage.send_as(self.provider, "ServiceRegistry", "register", terms, owner, where)
        service: bytes = stage.read("ServiceRegistry", "service_at", 0)
        row = (service, bytes(20), 2_000_000, 8_000_000, 3)
        stage.send_as(self.provider, "ServiceRegistry", "announce_price", *row)
        stage.send_as(self.provider, "ServiceRegistry", "activate", service)
        return service

    def _settle(self) -> None:
        escrow = self.stage.contracts["ComputeEscrow"].address
        self.domain = compute_domain(chain_id=CHAIN_ID, escrow=escrow)
        self.payers = [LocalSigner.from_secret(keccak(b"payer", bytes([n]))) for n in range(ITEMS)]
        self.receipt = self._receipt()
        self.signature = LocalSigner.from_secret(self.provider).sign_digest(
            self.receipt.digest(self.domain)
        )
        root, self.path = _deep(receipt_leaf(self.receipt, self.signature))
        self.items = [self._settled(0, root, 1 << LEVELS)]
        self.items += [
            self._settled(number, SumNode(keccak(words(number)), PRICE), 1)
            for number in range(1, ITEMS)
        ]
        self.tree = SumTree.of(
            [SumNode(keccak(b"\x02", words(*item)), item[4]) for item in self.items]
        )
        items = [self._voucher(number) for number in range(ITEMS)]
        none: list[bytes] = []
        settled = (self.service, bytes(20), items, none, keccak(b"data"))
        self.stage.send_as(self.provider, "ComputeEscrow", "settle", *settled)

    def _settled(
        self, number: int, root: SumNode, leaves: int
    ) -> tuple[bytes, int, int, int, int, int, int, bytes]:
        payer = self.payers[number]
        self.stage.fund(payer.address, WEI_PER_COIN)
        put = (payer.address, _address(self.provider), bytes(20), root.total)
        self.stage.send("ComputeEscrow", "deposit", *put, value=root.total)
        return payer.address, 1, 1, leaves, root.total, root.total, leaves, root.hash

    def _voucher(self, number: int) -> ItemWords:
        payer, _, first, last, amount, _, leaves, root = self.items[number]
        provider = _address(self.provider)
        voucher = Voucher(payer, provider, self.service, 1, bytes(20), 0, amount, 2**40, last)
        signature = self.payers[number].sign_digest(voucher.digest(self.domain))
        signed = SignedVoucher(voucher, signature)
        return item_words(SettleItem(signed, first, last, amount, leaves, root), [])

    def _receipt(self) -> Receipt:
        now = int(self.stage.read("StakeManager", "epoch_start", 0)) + 1
        return Receipt(
            request_id=keccak(b"request"),
            payer=self.payers[0].address,
            provider=_address(self.provider),
            service=self.service,
            price_version=1,
            request_hash=keccak(b"body"),
            response_hash=keccak(b"answer"),
            model_hash=keccak(b"model"),
            commitment=keccak(b"commitment"),
            input_tokens=10,
            output_tokens=20,
            price=PRICE,
            nonce=1,
            time=now,
            finish=Finish.STOP,
        )

    def _item(self, number: int) -> tuple[object, ...]:
        return 1, number, self.items[number], self.tree.path_bytes(number)

    def _pass(self, seconds: int) -> None:
        self.stage.chain.increase_time(seconds)
        self.stage.chain.mine()


def _deep(leaf: SumNode) -> tuple[SumNode, bytes]:
    """The root over 2^20 leaves of which `leaf` is the first, and its path."""
    node, path = leaf, b""
    for level in range(LEVELS):
        sibling = SumNode(keccak(b"sibling", words(level)), PRICE << level)
        sums = sibling.total.to_bytes(12, "big") + node.total.to_bytes(12, "big")
        path += sibling.hash + sums
        node = parent(node, sibling)
    return node, path


def _address(secret: bytes) -> bytes:
    return bytes.fromhex(Account.from_key(secret).address[2:])


def run() -> list[Row]:
    """Measure everything once."""
    stage = CourtStage()
    rows = [
        at_most(
            f"compute.court.{name}.gas",
            gas,
            "gas",
            BAR_DISPUTE if name in {"dispute", "leaf"} else None,
            command=COMMAND,
        )
        for name, gas in stage.disputes()
    ]
    audit = stage.audit()
    rows += [
        at_most(f"compute.audit.{name}.gas", gas, "gas", None, command=COMMAND)
        for name, gas in audit
    ]
    return rows


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
