"""Deploy the ledger of stake and people it with operators, for every test that needs them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boa

from offchain.core.bls import DST_POSSESSION, PublicKey, SecretKey

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
COIN = 10**18
EPOCH, CUTOFF, DAY = 144, 9, 864  # seconds: the devnet's clock, production / 100
DA, STORAGE, COMPUTE, RELAYER, ALIGNMENT = 1, 2, 3, 4, 5
TERMS = (
    28 * DAY,  # unbonding, DA and RELAYER
    11 * DAY,  # unbonding, others
    24 * DAY,  # evidence, DA and RELAYER
    7 * DAY,  # evidence, others
    2 * DAY,  # veto
    DAY,  # correlation
    29 * DAY,  # commission delay
    100 * COIN,  # MIN_STAKE, DA and RELAYER
    10 * COIN,  # MIN_STAKE, others
    COIN // 100,  # MIN_DEPOSIT
)


@dataclass(frozen=True, slots=True)
class StakingSite:
    """The deployed ledger; `court` is the address that holds SlashingCourt's role."""

    registry: Any
    stake: Any
    governance: str
    court: str


@dataclass(frozen=True, slots=True)
class AnOperator:
    operator_id: int
    owner: str
    key: SecretKey

    def pool(self, service: int) -> int:
        return self.operator_id << 8 | service


@cache
def staking_deployer(name: str) -> Any:
    return boa.load_partial(str(CONTRACTS / "staking" / f"{name}.vy"))


def deploy_staking(
    *, max_operators: int = 4096, court: str | None = None, terms: tuple[int, ...] = TERMS
) -> StakingSite:
    """Deploy and wire both contracts. Pass `court=""` to leave the court unwired."""
    governance = boa.env.generate_address("governance")
    if court is None:
        court = boa.env.generate_address("court")
    registry = staking_deployer("OperatorRegistry").deploy(
        governance, EPOCH, CUTOFF, DAY, max_operators
    )
    stake = staking_deployer("StakeManager").deploy(registry.address, governance, terms)
    registry.wire_stake(stake.address, sender=governance)
    if court:
        stake.wire_court(court, sender=governance)
    return StakingSite(registry, stake, governance, court)


@cache
def a_key(number: int) -> SecretKey:
    return SecretKey.from_seed(number.to_bytes(32, "big"))


def proof_of_possession(site: StakingSite, owner: str, key: SecretKey) -> bytes:
    digest = site.registry.possession_digest(owner, key.public_key().eip2537())
    return key.sign(digest, DST_POSSESSION).eip2537()


def an_operator(site: StakingSite, number: int, *, wealth: int = 10**9 * COIN) -> AnOperator:
    """Register an operator whose key and address follow from `number`."""
    owner = boa.env.generate_address(f"operator {number}")
    boa.env.set_balance(owner, wealth)
    key = a_key(number)
    proof = proof_of_possession(site, owner, key)
    operator_id = site.registry.register(key.public_key().eip2537(), proof, sender=owner)
    return AnOperator(operator_id, owner, key)


def a_member(
    site: StakingSite, number: int, *, service: int = DA, own: int = 100 * COIN, commission: int = 0
) -> AnOperator:
    """Register an operator and let it join a service."""
    operator = an_operator(site, number)
    site.stake.join(service, commission, value=own, sender=operator.owner)
    return operator


def a_wallet(name: str, wealth: int = 10**9 * COIN) -> str:
    address = boa.env.generate_address(name)
    boa.env.set_balance(address, wealth)
    return address


def next_epoch(epochs: int = 1) -> None:
    """Let time pass."""
    boa.env.time_travel(seconds=epochs * EPOCH)


def key_bytes(key: SecretKey) -> bytes:
    return key.public_key().eip2537()


def parsed(raw: bytes) -> PublicKey:
    return PublicKey.parse(raw)
