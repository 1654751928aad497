"""Gas of the compute market's money: first contact, settling, leaving, delegates.

Figures are whole transactions on the devnet chain, with every contract of genesis. A settlement is
measured on buckets that have settled before, 100 answers an item, signed by the payers themselves;
what a first settlement, a delegate or a single item costs stands beside it.
"""

import sys
from typing import Final

from eth_account import Account

from benchmarks.chain_stage import ChainStage
from benchmarks.rows import Row, at_most, measure
from offchain.apps.genesis import scaled_genesis
from offchain.chain.devnet.genesis import dev_accounts
from offchain.chain.keys import LocalSigner
from offchain.compute.batch import SettleItem
from offchain.compute.model import NATIVE_COIN, SignedVoucher, Voucher, compute_domain
from offchain.compute.onchain_escrow import ItemWords, item_words
from offchain.core.bls import DST_POSSESSION, SecretKey
from offchain.core.hashing import keccak
from offchain.core.units import WEI_PER_COIN

COMMAND: Final = "apogee bench compute --json"
COMPUTE: Final = 3
ITEMS: Final = 64
ANSWERS: Final = 100
BAR_ITEM: Final = 20_000
BAR_ANSWER: Final = 200
STAKE_WEI: Final = 1_000 * WEI_PER_COIN
DEPOSIT_WEI: Final = WEI_PER_COIN
PRICE_WEI: Final = 10**9  # of an answer
FAR: Final = 4_000_000_000  # seconds: a time of today's length
NOBODY: Final = bytes(20)


class MarketStage:
    """A chain with a provider and payers whose buckets are filled."""

    def __init__(self) -> None:
        self.stage = ChainStage()
        owner = "0x" + dev_accounts()[0].address.hex()
        treasury = "0x" + dev_accounts()[1].address.hex()
        self.stage.deploy(scaled_genesis(governance=owner, treasury=treasury))
        self.secret = keccak(b"provider of compute")
        self.provider = bytes.fromhex(Account.from_key(self.secret).address[2:])
        self._join()
        self.service = self._service()
        escrow = self.stage.contracts["ComputeEscrow"].address
        self.domain = compute_domain(chain_id=self.stage.chain.chain_id, escrow=escrow)
        self.payers = [_payer(number) for number in range(ITEMS)]
        self.rounds = dict.fromkeys(range(ITEMS), 0)

    def deposit(self, payer: bytes) -> int:
        """Fill a payer's bucket."""
        arguments = (payer, self.provider, NATIVE_COIN, DEPOSIT_WEI)
        return self.stage.send("ComputeEscrow", "deposit", *arguments, value=DEPOSIT_WEI)

    def settle(self, count: int, *, key: LocalSigner | None = None) -> int:
        """Settle the next 100 answers of each of the first payers."""
        items = [self._item(number, key) for number in range(count)]
        root = keccak(b"batch file")
        return self.stage.send_as(
            self.secret, "ComputeEscrow", "settle", self.service, NATIVE_COIN, items, [], root
        )

    def exit(self, number: int) -> tuple[int, int, int]:
        """Request an exit, finish it, withdraw."""
        payer = self.payers[number]
        secret, account = _secret(number), payer.address
        self.stage.fund(account, WEI_PER_COIN)
        amount = DEPOSIT_WEI // 2
        asked = self.stage.send_as(
            secret, "ComputeEscrow", "request_exit", self.provider, NATIVE_COIN, amount
        )
        self.stage.chain.increase_time(7_200)
        self.stage.chain.mine()
        finished = self.stage.send(
            "ComputeEscrow", "finish_exit", account, self.provider, NATIVE_COIN, sender=2
        )
        withdrawn = self.stage.send_as(
            secret, "ComputeEscrow", "withdraw", NATIVE_COIN, amount, account
        )
        return asked, finished, withdrawn

    def delegate(self, number: int, key: LocalSigner) -> int:
        """Let a key sign for a payer."""
        terms = (NATIVE_COIN, DEPOSIT_WEI, FAR, NOBODY, bytes(32))
        self.stage.fund(self.payers[number].address, WEI_PER_COIN)
        return self.stage.send_as(
            _secret(number), "ComputeEscrow", "set_delegate", key.address, terms
        )

    def _join(self) -> None:
        key = SecretKey.from_seed(self.secret)
        self.stage.fund(self.provider, STAKE_WEI + 10 * WEI_PER_COIN)
        raw = key.public_key().eip2537()
        digest = self.stage.read("OperatorRegistry", "possession_digest", self.provider, raw)
        proof = key.sign(digest, DST_POSSESSION).eip2537()
        self.stage.send_as(self.secret, "OperatorRegistry", "register", raw, proof)
        self.stage.value_call(self.secret, "StakeManager", "join", COMPUTE, 0, value=STAKE_WEI)
        self.stage.chain.increase_time(2 * self.stage.read("StakeManager", "epoch_length"))
        self.stage.chain.mine()

    def _service(self) -> bytes:
        terms = (1, 2, keccak(b"model"), bytes(32), 4_096, 1_024, 8, bytes(32))
        endpoint = "http://127.0.0.1:9000"
        registry = "ServiceRegistry"
        self.stage.send_as(self.secret, registry, "register", terms, self.provider, endpoint)
        service = bytes(self.stage.read(registry, "service_id", self.provider, 1, bytes(32)))
        prices = (2_000_000, 8_000_000, 3)
        self.stage.send_as(self.secret, registry, "announce_price", service, NATIVE_COIN, *prices)
        self.stage.send_as(self.secret, registry, "activate", service)
        return service

    def _item(self, number: int, key: LocalSigner | None) -> ItemWords:
        done = self.rounds[number]
        self.rounds[number] = done + 1
        first = done * ANSWERS + 1
        last = first + ANSWERS - 1
        spent = done * ANSWERS * PRICE_WEI
        claim = spent + ANSWERS * PRICE_WEI
        payer = self.payers[number]
        accepted = claim - PRICE_WEI  # all but the last answer
        voucher = Voucher(
            payer=payer.address,
            provider=self.provider,
            service=self.service,
            price_version=1,
            token=NATIVE_COIN,
            cumulative=accepted,
            cap=claim,
            expiry=FAR,
            nonce=last,
        )
        signature = (key or payer).sign_digest(voucher.digest(self.domain))
        root = keccak(b"leaves", payer.address, last.to_bytes(8, "big"))
        signed = SignedVoucher(voucher, signature)
        return item_words(SettleItem(signed, first, last, claim, ANSWERS, root), [])


def run() -> list[Row]:
    """Measure everything; raises when a transaction that must succeed does not."""
    market = MarketStage()
    first_contact = market.deposit(market.payers[0].address)
    top_up = market.deposit(market.payers[0].address)
    for payer in market.payers[1:]:
        market.deposit(payer.address)
    first = market.settle(ITEMS)
    whole = market.settle(ITEMS)
    settled = int(market.stage.read("ComputeEscrow", "batch", 2)[5])
    if settled != ITEMS:
        raise RuntimeError(f"{settled} of {ITEMS} items were settled: the figure means nothing")
    alone = market.settle(1)
    key = _payer(ITEMS)
    named = market.delegate(0, key)
    market.settle(1, key=key)
    delegated = market.settle(1, key=key)
    asked, finished, withdrawn = market.exit(1)
    return [
        at_most("compute.settle.gas", whole / ITEMS, "gas/item", BAR_ITEM, command=COMMAND),
        at_most(
            "compute.settle.gas.answer",
            whole / ITEMS / ANSWERS,
            "gas/answer",
            BAR_ANSWER,
            command=COMMAND,
        ),
        _plain("compute.settle.gas.first", first / ITEMS),
        _plain("compute.settle.gas.alone", alone),
        _plain("compute.settle.gas.alone_by_delegate", delegated),
        _plain("compute.deposit.gas.first_contact", first_contact),
        _plain("compute.deposit.gas", top_up),
        _plain("compute.delegate.gas", named),
        _plain("compute.exit.gas.request", asked),
        _plain("compute.exit.gas.finish", finished),
        _plain("compute.withdraw.gas", withdrawn),
    ]


def _secret(number: int) -> bytes:
    return keccak(b"payer", number.to_bytes(2, "big"))


def _payer(number: int) -> LocalSigner:
    return LocalSigner.from_secret(_secret(number))


def _plain(name: str, gas: float) -> Row:
    return at_most(name, gas, "gas", None, command=COMMAND)


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
