"""Letting a run's key spend: a deposit at its provider, and a delegation of the very budget.

The key signs vouchers of its payer, to one provider for one service, at most the budget and until
the deadline. Every step looks first: again sends what is missing, and nothing else.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from offchain.agents.intent import Limits
from offchain.agents.runtime_errors import OverBudget
from offchain.chain.model import Address, TypedCall
from offchain.chain.node import Node
from offchain.compute.model import NATIVE_COIN, Service
from offchain.compute.onchain_escrow import ComputeEscrowClient, DelegateTerms


@dataclass(frozen=True, slots=True)
class Letting:
    """Whose money, which key, where, and how far. `spent`: of the budget, by this run already."""

    payer: bytes
    key: bytes
    service: Service
    limits: Limits
    spent: int = 0


def missing_money(
    node: Node, escrow: ComputeEscrowClient, one: Letting
) -> Iterator[tuple[str, TypedCall]]:
    """Calls of the payer, with a name each. Raises: OverBudget when he is too poor."""
    provider, at = one.service.provider, node.block().hash
    yield from missing_deposit(node, escrow, (one.payer, provider), one.limits.budget - one.spent)
    found = escrow.delegate(one.payer, one.key, at=at)
    if found is None or found.is_revoked:
        terms = DelegateTerms(
            token=NATIVE_COIN,
            cap=one.limits.budget,
            expiry=one.limits.deadline,
            provider=provider,
            service=one.service.id,
        )
        yield "delegation", escrow.set_delegate(one.key, terms)


def missing_deposit(
    node: Node, escrow: ComputeEscrowClient, purse: tuple[bytes, bytes], needed: int
) -> Iterator[tuple[str, TypedCall]]:
    """What is not there yet of `needed`; `purse`: payer and provider. Raises: OverBudget."""
    (payer, provider), at = purse, node.block().hash
    missing = needed - escrow.bucket(payer, provider, NATIVE_COIN, at=at).available
    if missing > 0:
        has = node.balance(Address(payer), at=at)
        if has < missing:
            raise OverBudget(account="0x" + payer.hex(), has=has, needs=missing)
        deposit = escrow.deposit(payer, missing, provider=provider, token=NATIVE_COIN)
        yield f"deposit:{missing}", deposit
