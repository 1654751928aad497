"""Jobs around agents: what time alone, or a proof, has decided, done by whoever is first.

  sale      locked and not delivered in time: refunded; delivered and not proven false: settled;
            proven false: refunded at once; an auction whose time is over: closed
  rental    over, or its agent sold: the owner is paid, the renter has the rest back
  clone     delivered and looked at: paid for; not delivered, or proven false: paid back
  delivery  proven false: whoever signed it is punished

What is due is asked of the contract by trying the call, so two workers do it once. Money only moves
into credits; nobody but its owner takes it out. Source: docs/protocol/agents.md#market.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from offchain.agents.adapters.chain_findings import ChainFindings
from offchain.agents.adapters.chain_leases import ChainLeases
from offchain.agents.adapters.chain_sales import ChainSales
from offchain.agents.onchain_leases import OrderState
from offchain.agents.onchain_market import SaleState
from offchain.chain.model import Address, Block
from offchain.chain.ports import ChainReader
from offchain.chain.sender import TransactionSender
from offchain.jobs.model import Handlers, Job, JobKind, Outcome
from offchain.jobs.subjects import parse_id, parse_number
from offchain.jobs.tried_calls import Maker, Sending, TriedCalls

MAX_OPEN: Final = 256  # of a kind, looked at in one round
ENDS: Final = (JobKind.SETTLE_SALE, JobKind.REFUND_SALE)


@dataclass(frozen=True, slots=True)
class AgentParts:
    """The chain, what is read from it, and the worker's account."""

    node: ChainReader
    sales: ChainSales
    leases: ChainLeases
    findings: ChainFindings
    sender_address: Address
    sending: Sending


class AgentJobs:
    """Finds and does what agents need. Finding is one thread's; doing keeps nothing."""

    def __init__(self, parts: AgentParts) -> None:
        self._parts = parts
        sales, leases, findings = parts.sales, parts.leases, parts.findings
        makers: dict[JobKind, Maker] = {
            JobKind.SETTLE_SALE: lambda one, at: sales.settle_call(parse_number(one), at),
            JobKind.REFUND_SALE: lambda one, _: sales.refund_call(parse_number(one)),
            JobKind.REFUND_FALSE_SALE: lambda one, at: sales.refund_false_call(
                parse_number(one), at
            ),
            JobKind.CLOSE_AUCTION: lambda one, at: sales.close_call(parse_number(one), at),
            JobKind.COLLECT_RENT: lambda one, at: leases.collect_call(parse_number(one), at),
            JobKind.END_CLONE_ORDER: lambda one, at: leases.end_order_call(parse_number(one), at),
            JobKind.REFUND_FALSE_CLONE: lambda one, at: leases.refund_false_call(
                parse_number(one), at
            ),
            JobKind.PUNISH_DELIVERY: lambda one, at: findings.punish_call(parse_id(one), at),
        }
        self._calls = TriedCalls("agents", parts.node, parts.sender_address, parts.sending, makers)

    def find_due(self, block: Block) -> Iterator[Job]:
        """At most one job a sale, a lease and an order; one a false delivery."""
        for number, sale in self._parts.sales.open_sales(block, most=MAX_OPEN):
            yield from self._first(
                _kinds_of(sale.state, block.timestamp > sale.until), number, block
            )
        leases = self._parts.leases
        for number, lease in leases.open_leases(block, most=MAX_OPEN):
            if leases.is_lease_over(lease, block):
                yield from self._first([JobKind.COLLECT_RENT], number, block)
        for number, order in leases.open_orders(block, most=MAX_OPEN):
            kinds = [JobKind.REFUND_FALSE_CLONE] if order.state is OrderState.DELIVERED else []
            yield from self._first([*kinds, JobKind.END_CLONE_ORDER], number, block)
        for digest in self._parts.findings.unpunished(block):
            yield from self._calls.due(JobKind.PUNISH_DELIVERY, "0x" + digest.hex(), block)

    def handlers(self) -> Handlers:
        """One a kind."""
        return self._calls.handlers()

    def do(self, kind: JobKind, subject: str, sender: TransactionSender) -> Outcome:
        """Send what is due, unless the contract refuses it by now."""
        return self._calls.do(kind, subject, sender)

    def _first(self, kinds: list[JobKind], number: int, block: Block) -> Iterator[Job]:
        """The first of these jobs that the contract would take."""
        for kind in kinds:
            jobs = list(self._calls.due(kind, str(number), block))
            if jobs:
                yield from jobs
                return


def _kinds_of(state: SaleState, is_late: bool) -> list[JobKind]:
    """What may be done for a sale, in order."""
    if state is SaleState.AUCTION:
        return [JobKind.CLOSE_AUCTION] if is_late else []
    return [JobKind.REFUND_FALSE_SALE, *(ENDS if is_late else ())]
