"""Gas of selling an agent: every transaction of a sale, fast and slow, and of its refunds.

Figures are whole transactions on the devnet chain with real AgentMarket, AgentNFT and
KeyDeliveryVerifier; three oracles sign, one data entry. `agents.sale.gas` is all that a first sale
takes: the seller's bond deposited and his approval, `buy`, and `accept` with the buyer's signature
on the delivery. `agents.sale.slow.gas` is what a silent buyer costs: `buy`, `deliver`, `settle`.
What surrounds them (storage, attestation, stake) is one twin that no measured transaction of the
fast path touches; in the slow one it answers once whether storage keeps the file.

`agents.sale.memory.gas` sells a token whose account exists and has a memory stream: the order names
the account and its state, and the change of hands ends every right to write the memory. It is the
two transactions of the sale; `.first` has the seller's approval and deposit with them.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from coincurve import PrivateKey
from eth_account import Account
from vyper.cli.vyper_compile import compile_files

from benchmarks.agents_account_gas import bring_registry, call_raw
from benchmarks.chain_stage import CHAIN_ID, ChainStage, Deployed
from benchmarks.rows import Row, at_most, measure
from offchain.agents.delivery import (
    TRANSFER,
    AccessProof,
    OwnershipProof,
    RootWords,
    in_order,
    pack_access,
    verifier_domain,
)
from offchain.agents.orders import NOBODY, OrderKind, SellOrder, bond_of, market_domain
from offchain.apps.genesis import Call, Deploy, Ref
from offchain.chain.devnet.genesis import dev_accounts
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Address
from offchain.chain.token_accounts import BoundToken, account_address, create_account
from offchain.core.hashing import keccak
from offchain.core.units import WEI_PER_COIN

COMMAND: Final = "python -m benchmarks.agents_sale"
BAR: Final = 650_000
ROOT: Final = Path(__file__).resolve().parents[1]
SURROUNDINGS: Final = ROOT / "tests" / "support" / "agent_surroundings.vy"
DELIVER, OBJECTION, SHOW = 1_800, 86_400, 7_200
THRESHOLD: Final = 3
PRICE: Final = WEI_PER_COIN
BOND: Final = bond_of(PRICE)
SEALED: Final = b"\x5e" * 112
CREATOR, OPERATORS = 1, (2, 3, 4)
FEE_BPS: Final = 250
MEMORY: Final = keccak(b"apogee.agents.memory.v1")  # salt of an agent's stream
Fields = object  # what the ABI encoder takes


class Steps:
    """The real contracts, in what surrounds them."""

    def __init__(self, place: str, governance: str, treasury: str) -> None:
        self._place, self._governance, self._treasury = place, governance, treasury

    def deployments(self) -> Iterator[Deploy]:
        verifier, nft = Ref("KeyDeliveryVerifier"), Ref("AgentNFT")
        place = self._place
        yield Deploy(verifier.name, (*[place] * 5, 604_800))
        yield Deploy(nft.name, (verifier, place, self._governance, "apogee:"))
        windows = (DELIVER, OBJECTION, SHOW)
        yield Deploy("AgentMarket", (nft, self._treasury, FEE_BPS, windows))
        yield Deploy("StorageLog", (place, place, self._governance))
        yield Deploy("KVStreams", (Ref("StorageLog"), place, place))
        yield Deploy("AgentAccount", (Ref("KVStreams"), ()))
        yield Deploy("AgentLeases", (nft, DELIVER, OBJECTION))

    def wiring(self) -> Iterator[Call]:
        yield Call("StorageLog", "wire", (self._place, Ref("KVStreams")))
        yield Call("AgentNFT", "wire", (Ref("AgentLeases"), Ref("AgentAccount")))


class SaleStage:
    """A seller with a token, a buyer with coins, three oracles that stand."""

    def __init__(self) -> None:
        self.stage = ChainStage()
        place = self._surround()
        governance, treasury = ("0x" + dev_accounts()[one].address.hex() for one in (0, 9))
        steps = Steps("0x" + place.hex(), governance, treasury)
        self.stage.deploy(steps)  # type: ignore[arg-type]  # a part
        bring_registry(self.stage)
        self.market = self.stage.contracts["AgentMarket"].address
        self.nft = self.stage.contracts["AgentNFT"].address
        self.seller, self.buyer = _secret("seller"), _secret("buyer")
        for secret in (self.seller, self.buyer):
            self.stage.fund(_address(secret), 100 * WEI_PER_COIN)
        self.oracles = [LocalSigner.from_secret(_secret(f"oracle {one}")) for one in OPERATORS]
        for number, one in zip(OPERATORS, self.oracles, strict=True):
            owner = dev_accounts()[number].address
            self.stage.send(SURROUNDINGS.stem, "seat", number, owner, one.address)
            self.stage.send("KeyDeliveryVerifier", "enrol", one.address, sender=number)
        self.count = 0
        self.made: dict[bytes, tuple[bytes, ...]] = {}
        self.last: tuple[Fields, Fields] = ((), ())

    def prepare_seller(self) -> int:
        """A token of his; the gas of approving the market for it and paying the bond in."""
        self.mint()
        approved = self.stage.send_as(
            self.seller, "AgentNFT", "setApprovalForAll", self.market, True
        )
        return approved + self.deposit(self.seller, BOND)

    def mint(self) -> None:
        roots = self._roots(keccak(b"content"))
        data = ("an agent", roots[0])
        arguments = (_address(self.seller), [data], [roots[1:]], [SEALED], THRESHOLD, 1_000)
        self.stage.send("AgentNFT", "mint", *arguments, sender=CREATOR)

    def deposit(self, secret: bytes, amount: int) -> int:
        arguments = (_address(secret), NOBODY, amount)
        return self.stage.value_call(secret, "AgentMarket", "deposit", *arguments, value=amount)

    def open_memory(self, token: int) -> None:
        """The token's account, made, with a stream of its own."""
        stage = self.stage
        implementation = Address(stage.contracts["AgentAccount"].address)
        bound = BoundToken(CHAIN_ID, Address(self.nft), token)
        creation = create_account(implementation, bound)
        assert creation.to is not None
        call_raw(stage, creation.to, creation.data)
        account = account_address(implementation, bound)
        functions = stage.contracts["AgentAccount"].functions
        stage.contracts["account"] = Deployed(account, functions)
        streams = stage.contracts["KVStreams"]
        made = streams.calldata("create", MEMORY)
        stage.send_as(self.seller, "account", "execute", streams.address, 0, made, 0)

    def buy(self, token: int, nonce: int) -> int:
        """By an order that names the token's wallet, made or not, as sellers' clients do."""
        account = bytes.fromhex(self.stage.read("AgentNFT", "account_of", token)[2:])
        is_made = "account" in self.stage.contracts
        state = int(self.stage.read("account", "state")) if is_made else 0
        order = SellOrder(
            seller=_address(self.seller),
            collection=self.nft,
            token=token,
            kind=OrderKind.FIXED,
            price=PRICE,
            end_price=PRICE,
            currency=NOBODY,
            data_root=bytes(self.stage.read("AgentNFT", "data_root", token)),
            account=account,
            account_state=state,
            royalty_max=1_000,
            min_step=0,
            start=0,
            end=2**40,
            nonce=nonce,
            taker=NOBODY,
        )
        domain = market_domain(chain_id=CHAIN_ID, market=self.market)
        signature = LocalSigner.from_secret(self.seller).sign_digest(order.digest(domain))
        arguments = (order.fields(), signature, _key())
        return self.stage.value_call(self.buyer, "AgentMarket", "buy", *arguments, value=PRICE)

    def accept(self, sale: int, token: int) -> int:
        proofs = self._proofs(token, is_signed=True)
        return self.stage.send_as(self.buyer, "AgentMarket", "accept", sale, proofs)

    def deliver(self, sale: int, token: int) -> int:
        proofs = self._proofs(token, is_signed=False)
        return self.stage.send("AgentMarket", "deliver", sale, proofs)

    def settle(self, sale: int) -> int:
        self.wait(OBJECTION + 1)
        outputs, digests = self.last
        return self.stage.send("AgentMarket", "settle", sale, outputs, digests)

    def dispute(self, sale: int) -> int:
        bond = self.stage.read("AgentMarket", "bond_of", PRICE)
        return self.stage.value_call(self.buyer, "AgentMarket", "dispute", sale, value=bond)

    def refund_false(self, sale: int) -> int:
        """After a proof, which is measured apart."""
        verifier = self.stage.contracts["KeyDeliveryVerifier"].address
        self.stage.send(SURROUNDINGS.stem, "prove", verifier, self.delivery.fields())
        return self.stage.send("AgentMarket", "refund_false", sale, self.last[1])

    def wait(self, seconds: int) -> None:
        chain = self.stage.chain
        chain.set_next_timestamp(chain.head.header.timestamp + seconds)
        chain.mine()

    def _proofs(self, token: int, *, is_signed: bool) -> list[Fields]:
        """By all oracles; with the buyer's signature, or with storage's answer for it."""
        [(data_hash, _)] = self.stage.read("AgentNFT", "entries_of", token)
        content, key, commit, location = self.made[bytes(data_hash)]
        new = self._roots(content)
        proof = OwnershipProof(
            old_data_hash=bytes(data_hash),
            new_data_hash=new[0],
            sealed_key=SEALED,
            public_key=_key(),
            nonce=keccak(b"nonce", new[0]),
            roots=RootWords(content, key, commit, location, *new[2:]),
            deadline=self.stage.chain.head.header.timestamp + 3_600,
            signatures=(),
        )
        epoch = int(self.stage.read("AgentNFT", "epoch_of", token)[0])
        receiver = _address(self.buyer)
        delivery = proof.delivery(
            collection=self.nft, token=token, epoch=epoch, op=TRANSFER, receiver=receiver
        )
        verifier = self.stage.contracts["KeyDeliveryVerifier"].address
        domain = verifier_domain(chain_id=CHAIN_ID, verifier=verifier)
        digest = delivery.digest(domain)
        signatures = in_order(digest, [one.sign_digest(digest) for one in self.oracles])
        word = b""
        if is_signed:
            wanted = delivery.access(proof.deadline).digest(domain)
            buyer = LocalSigner.from_secret(self.buyer)
            word = pack_access(proof.deadline, buyer.sign_digest(wanted))
        access = AccessProof(bytes(data_hash), new[0], proof.nonce, _key(), word)
        self.delivery = delivery
        self.last = ([(new[0], keccak(*new[1:]))], [digest])
        return [(access.fields(), replace(proof, signatures=signatures).fields())]

    def _roots(self, content: bytes) -> tuple[bytes, ...]:
        """Data hash and the four words of a file that is kept from now on."""
        self.count += 1
        name = bytes([self.count])
        data_hash, *rest = (keccak(one, name) for one in (b"file", b"keys", b"commit", b"place"))
        self.made[data_hash] = (content, *rest)
        self.stage.send(SURROUNDINGS.stem, "keep", rest[-1], data_hash)
        return (data_hash, content, *rest)

    def _surround(self) -> bytes:
        output = compile_files([SURROUNDINGS], ["bytecode", "abi"], paths=[str(ROOT)])
        built = next(iter(output.values()))
        functions = {item["name"]: item for item in built["abi"] if item["type"] == "function"}
        return self.stage.bring(SURROUNDINGS.stem, built["bytecode"], functions)


def _secret(name: str) -> bytes:
    return keccak(b"sale of an agent", name.encode())


def _address(secret: bytes) -> bytes:
    return bytes.fromhex(Account.from_key(secret).address[2:])


def _key() -> bytes:
    return PrivateKey(_secret("delivery")).public_key.format(compressed=False)[1:]


def run() -> list[Row]:
    """Measure everything once."""
    stage = SaleStage()
    once = stage.prepare_seller()
    bought = stage.buy(1, 1)
    accepted = stage.accept(1, 1)

    stage.mint()
    stage.deposit(stage.seller, BOND)
    second = stage.buy(2, 2)
    delivered = stage.deliver(2, 2)
    settled = stage.settle(2)

    stage.mint()
    stage.deposit(stage.seller, BOND)
    stage.buy(3, 3)
    stage.deliver(3, 3)
    disputed = stage.dispute(3)
    refunded = stage.refund_false(3)

    other = SaleStage()
    prepared = other.prepare_seller()
    other.open_memory(1)
    bought_memory, accepted_memory = other.buy(1, 1), other.accept(1, 1)
    other.mint()
    other.deposit(other.seller, BOND)
    other.open_memory(2)
    slow_memory = other.buy(2, 2) + other.deliver(2, 2) + other.settle(2)
    figures = {
        "sale": once + bought + accepted,
        "sale.once": once,
        "sale.buy": bought,
        "sale.accept": accepted,
        "sale.slow": second + delivered + settled,
        "sale.deliver": delivered,
        "sale.settle": settled,
        "sale.dispute": disputed,
        "refund": refunded,
        "sale.memory": bought_memory + accepted_memory,
        "sale.memory.first": prepared + bought_memory + accepted_memory,
        "sale.memory.slow": slow_memory,
        "sale.memory.buy": bought_memory,
        "sale.memory.accept": accepted_memory,
    }
    bars = {"sale": BAR, "sale.slow": BAR, "sale.memory": BAR}
    return [
        at_most(f"agents.{name}.gas", gas, "gas", bars.get(name), command=COMMAND)
        for name, gas in figures.items()
    ]


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
