"""The compute market on real stake, its courts a twin that says and does what a test tells it.

`deploy_compute` builds registry and escrow with one provider, its service and a token; builders
below make signed items and batches in the model's terms (offchain/compute/model.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import boa

from offchain.chain.keys import LocalSigner
from offchain.compute.model import Voucher, compute_domain
from offchain.core.hashing import Digest, keccak
from tests.support.staking import (
    COIN,
    COMPUTE,
    CONTRACTS,
    EPOCH,
    AnOperator,
    StakingSite,
    a_member,
    a_wallet,
    deploy_staking,
    next_epoch,
)

TWINS = Path(__file__).parent
HOUR = 36  # seconds: the devnet's clock, production / 100
PRICE_DELAY, PRICE_GRACE = HOUR, 24 * HOUR
DISPUTE, WITHDRAW_LOCK, DELEGATE_GRACE = 24 * HOUR, 2 * HOUR, HOUR
NATIVE = "0x" + "00" * 20
ANY_PROVIDER, ANY_SERVICE = NATIVE, bytes(32)
MODEL_HASH = keccak(b"a model")
FAR = 2**63  # a time that no test reaches
TOKEN_RATE = 10**15  # a token is worth a thousandth of a coin
OWN_STAKE = 1_000 * COIN


@dataclass(frozen=True, slots=True)
class ComputeSite:
    """Registry and escrow wired; `courts` stands for both courts."""

    staking: StakingSite
    registry: Any
    escrow: Any
    courts: Any
    token: Any
    governance: str
    provider: AnOperator
    service: bytes

    @property
    def stake(self) -> Any:
        return self.staking.stake

    @property
    def chain_id(self) -> int:
        return int(boa.env.evm.patch.chain_id)

    def domain(self) -> Digest:
        return compute_domain(chain_id=self.chain_id, escrow=raw(self.escrow.address))


def raw(address: Any) -> bytes:
    return bytes.fromhex(str(address)[2:])


def hex_of(address: bytes) -> str:
    return "0x" + address.hex()


@cache
def compute_deployer(name: str) -> Any:
    return boa.load_partial(str(CONTRACTS / "compute" / f"{name}.vy"))


@cache
def twin_deployer(name: str) -> Any:
    return boa.load_partial(str(TWINS / f"{name}.vy"))


def terms_of(**changes: Any) -> tuple[Any, ...]:
    """Terms of a chat service, as ServiceRegistry takes them."""
    fields = {
        "kind": 1,
        "numerics": 2,
        "model_hash": MODEL_HASH,
        "charter_hash": bytes(32),
        "max_input": 4_096,
        "max_output": 1_024,
        "concurrency": 8,
        "salt": bytes(32),
    }
    return tuple((fields | changes).values())


def deploy_market(staking: StakingSite) -> tuple[Any, Any]:
    """Registry and escrow, not wired."""
    stake, governance = staking.stake.address, staking.governance
    registry = compute_deployer("ServiceRegistry").deploy(
        stake, governance, (PRICE_DELAY, PRICE_GRACE)
    )
    escrow = compute_deployer("ComputeEscrow").deploy(
        registry.address, stake, governance, (DISPUTE, WITHDRAW_LOCK, DELEGATE_GRACE)
    )
    return registry, escrow


def deploy_compute(
    staking: StakingSite | None = None, courts: Any = None, own: int = OWN_STAKE
) -> ComputeSite:
    """Registry, escrow, a token, and a provider whose service is active with a first price."""
    site = staking or deploy_staking()
    registry, escrow = deploy_market(site)
    twin = courts or twin_deployer("compute_courts_twin").deploy()
    governance = site.governance
    registry.wire(escrow.address, twin.address, twin.address, sender=governance)
    escrow.wire(twin.address, twin.address, sender=governance)
    token = twin_deployer("hostile_token").deploy()
    escrow.set_token(token.address, TOKEN_RATE, sender=governance)
    provider = a_member(site, 1, service=COMPUTE, own=own)
    next_epoch(2)
    service = a_service(registry, provider)
    return ComputeSite(site, registry, escrow, twin, token, governance, provider, service)


def a_service(registry: Any, provider: AnOperator, *, token: str = NATIVE, **changes: Any) -> bytes:
    """Register, price and activate a service; its id."""
    signer = hex_of(keeper("receipts").address)
    service = bytes(
        registry.register(
            terms_of(**changes), signer, "http://127.0.0.1:9000", sender=provider.owner
        )
    )
    registry.announce_price(service, token, 2_000_000, 8_000_000, 3, sender=provider.owner)
    registry.activate(service, sender=provider.owner)
    return service


@cache
def keeper(name: str) -> LocalSigner:
    """A key holder, always the same for a name."""
    return LocalSigner.from_secret(keccak(b"compute", name.encode()))


def a_payer(name: str = "payer") -> LocalSigner:
    """A key holder with coins."""
    holder = keeper(name)
    boa.env.set_balance(hex_of(holder.address), 10**9 * COIN)
    return holder


@dataclass(frozen=True, slots=True)
class AnItem:
    """One item of a batch in model terms; `proof` is an ERC-1271 signature instead of a key's."""

    voucher: Voucher
    claim: int
    first_nonce: int
    last_nonce: int
    leaf_count: int
    leaves_root: bytes
    r: bytes = bytes(32)
    vs: bytes = bytes(32)
    proof: bytes = b""

    def fields(self, proofs: list[bytes]) -> tuple[Any, ...]:
        """As `settle` takes it; a proof joins the list."""
        r, one = self.r, self.voucher
        if self.proof:
            r = len(proofs).to_bytes(32, "big")
            proofs.append(self.proof)
        party = int.from_bytes(one.payer, "big") | one.price_version << 160 | one.expiry << 192
        limits = one.cumulative | one.cap << 96 | one.nonce << 192
        ask = self.claim | self.first_nonce << 96 | self.last_nonce << 160 | self.leaf_count << 224
        return (party, limits, ask, self.leaves_root, r, self.vs)


def compact(signature: bytes) -> tuple[bytes, bytes]:
    """EIP-2098 r and vs of 65 bytes r || s || v."""
    s, v = int.from_bytes(signature[32:64], "big"), signature[64]
    return signature[:32], (s | (v - 27) << 255).to_bytes(32, "big")


def a_voucher(site: ComputeSite, payer: bytes, **changes: Any) -> Voucher:
    """Nothing accepted yet, a thousand in flight for request 1."""
    voucher = Voucher(
        payer=payer,
        provider=raw(site.provider.owner),
        service=site.service,
        price_version=1,
        token=bytes(20),
        cumulative=0,
        cap=1_000,
        expiry=FAR,
        nonce=1,
    )
    return replace(voucher, **changes)


def an_item(
    site: ComputeSite, payer: LocalSigner, *, key: LocalSigner | None = None, **changes: Any
) -> AnItem:
    """An item for all that its voucher allows, signed by the payer or `key`.

    `changes` are fields of the voucher or of the item.
    """
    own = {name: changes.pop(name) for name in list(changes) if name in AnItem.__slots__}
    voucher = a_voucher(site, changes.pop("payer_address", payer.address), **changes)
    r, vs = compact((key or payer).sign_digest(voucher.digest(site.domain())))
    item = AnItem(
        voucher=voucher,
        claim=voucher.cap,
        first_nonce=voucher.nonce,
        last_nonce=voucher.nonce,
        leaf_count=1,
        leaves_root=keccak(b"leaves", voucher.payer),
        r=r,
        vs=vs,
    )
    return replace(item, **own)


def settle(
    site: ComputeSite, items: Sequence[AnItem], *, token: str = NATIVE, sender: str = ""
) -> int:
    """Present items as the provider; the batch, 0 for none."""
    proofs: list[bytes] = []
    fields = [item.fields(proofs) for item in items]
    return int(
        site.escrow.settle(
            site.service,
            token,
            fields,
            proofs,
            keccak(b"data"),
            sender=sender or site.provider.owner,
        )
    )


def fill_bucket(site: ComputeSite, payer: bytes, amount: int = COIN, token: str = NATIVE) -> None:
    """Deposit into a payer's bucket at the provider, from a stranger's purse."""
    purse = a_wallet("purse")
    if token != NATIVE:
        site.token.mint(purse, amount)
    site.escrow.deposit(
        hex_of(payer),
        site.provider.owner,
        token,
        amount,
        value=amount if token == NATIVE else 0,
        sender=purse,
    )


def skipped(site: ComputeSite) -> dict[int, int]:
    """Position and reason of every item that the last call passed over."""
    return {
        one.index: int(one.reason)
        for one in site.escrow.get_logs()
        if type(one).__name__ == "ItemSkipped"
    }


def as_court(site: ComputeSite, contract: Any, function: str, *arguments: Any) -> bytes:
    """Call a function as the courts; the answer's first word."""
    payload = getattr(contract, function).prepare_calldata(*arguments)
    return bytes(site.courts.act(contract.address, payload))


def pass_epochs(count: int = 1) -> None:
    boa.env.time_travel(seconds=count * EPOCH)
