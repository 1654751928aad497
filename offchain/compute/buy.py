"""Buying one answer after another from a provider: vouchers out, verified answers in.

A buyer's book with one provider holds what was acknowledged, the holds of requests in flight, and
the next nonce. Only a verified answer is acknowledged, by the next request's voucher or by one of
its own; an answer that proves nothing costs at most its hold, which no voucher names again. After a
broken connection the hold stays until the same order is sent again: it is one request, paid once.
Source: docs/protocol/compute.md#buyer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, Protocol

from offchain.chain.model import Block
from offchain.compute.answers import Route
from offchain.compute.errors import ProviderRefused, Reason, ServiceNotServing, UnverifiedAnswer
from offchain.compute.model import (
    MAX_U96,
    NATIVE_COIN,
    PriceRow,
    SignedVoucher,
    Voucher,
    hold_of,
)
from offchain.compute.ports import EscrowLedger, ServiceLedger
from offchain.compute.private_buy import PrivateRequest
from offchain.compute.private_keys import EvidenceLedger, NoEvidence, attestation_of
from offchain.compute.signatures import DigestSigner, sign_voucher
from offchain.compute.terms_watch import ChainTime
from offchain.compute.verify import Exchange, Facts, Policy, Verified, verify

VOUCHER_SECONDS: Final = 86_400
FACTS_SECONDS: Final = 30


class ProviderClient(Protocol):
    """A provider by its endpoint. Answers are bounded bytes, unchecked.

    Raises: ProviderUnreachable, ProviderRefused.
    """

    async def ask(self, endpoint: str, route: Route, body: bytes, voucher: SignedVoucher) -> bytes:
        """The whole answer's bytes, a stream's too."""
        ...

    def stream(
        self, endpoint: str, route: Route, body: bytes, voucher: SignedVoucher
    ) -> AsyncIterator[bytes]:
        """The answer's bytes as they come."""
        ...

    async def acknowledge(self, endpoint: str, voucher: SignedVoucher) -> None:
        """Pay for what was answered."""
        ...


@dataclass(slots=True)
class Account:
    """What one payer owes one provider, as the payer sees it."""

    acknowledged: int = 0
    next_nonce: int = 1
    holds: dict[int, int] = field(default_factory=dict)

    @property
    def cap(self) -> int:
        """What may be owed at most with all that is in flight."""
        return self.acknowledged + sum(self.holds.values())


class AccountShelf(Protocol):
    """Where a buyer's books survive his process; blocking, called in a thread."""

    def load(self, provider: bytes, token: bytes) -> Account | None: ...

    def save(self, provider: bytes, token: bytes, account: Account) -> None:
        """Durable on return."""
        ...


class NoShelf:
    """An `AccountShelf` that keeps nothing: books begin from what is settled on chain."""

    def load(self, provider: bytes, token: bytes) -> Account | None:
        del provider, token
        return None

    def save(self, provider: bytes, token: bytes, account: Account) -> None:
        del provider, token, account


@dataclass(frozen=True, slots=True)
class Order:
    """A request ready to be sent: its voucher, and what the chain said when it was signed."""

    route: Route
    body: bytes = field(repr=False)
    voucher: SignedVoucher
    facts: Facts
    endpoint: str
    private: PrivateRequest | None = None

    @property
    def nonce(self) -> int:
        return self.voucher.voucher.nonce


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request's outer measure: most input tokens (None: the service's limit), output likewise.

    `private`: what opens the answer when the body is sealed.
    """

    route: Route
    body: bytes = field(repr=False)
    max_input: int | None = None
    max_tokens: int | None = None
    private: PrivateRequest | None = None


@dataclass(frozen=True, slots=True)
class FactsReader:
    """What the chain says of a service; blocking."""

    services: ServiceLedger
    escrow: EscrowLedger
    evidence: EvidenceLedger

    def facts(self, service_id: bytes) -> Facts:
        """At the newest block. Raises: ServiceUnknown, ServiceNotServing."""
        head: Block = self.services.head()
        at, ledger = head.hash, self.services
        service = ledger.service(service_id, at=at)
        if not ledger.is_serving(service_id, at=at) or not service.price_version:
            raise ServiceNotServing(service=service_id.hex(), state=service.state.name)
        signer = ledger.signer_at(service_id, head.timestamp, at=at)
        live = self.evidence.live(signer, head.timestamp, at=at)
        return Facts(
            block=head.number,
            now=head.timestamp,
            domain=self.escrow.domain(),
            service=service,
            row=ledger.price_row(service_id, service.price_version, at=at),
            signer=signer,
            verifiability=ledger.verifiability_of(service_id, at=at),
            grace_seconds=self.escrow.price_grace_seconds(),
            attestation_id=attestation_of(live, service_id),
        )

    def row(self, service_id: bytes, version: int) -> PriceRow:
        """A price row, also one that is not the newest. Raises: PriceUnknown."""
        return self.services.price_row(service_id, version, at=self.services.head().hash)

    def with_renewed(self, facts: Facts, error: UnverifiedAnswer) -> Facts:
        """Evidence may be renewed while an answer is made: what stood then counts too."""
        if error.reason is not Reason.ATTESTATION_DEAD:
            return facts
        named, at = bytes.fromhex(str(error.fields["named"])), self.services.head().hash
        stood = self.evidence.stood(named, facts.signer, int(str(error.fields["time"])), at=at)
        return replace(facts, renewed=frozenset({named})) if stood else facts


def bounded(policy: Policy | None, *, may_simulate: bool) -> Policy:
    """A policy within what a chain allows: nothing simulated counts on a public one."""
    policy = policy or Policy()
    return policy if may_simulate else replace(policy, allow_simulated=False)


class Buyer:
    """One payer's key and accounts. Ports of the chain are asked in threads."""

    def __init__(  # noqa: PLR0913 - each is another port
        self,
        services: ServiceLedger,
        escrow: EscrowLedger,
        client: ProviderClient,
        signer: DigestSigner,
        *,
        clock: Callable[[], float],
        payer: bytes | None = None,
        shelf: AccountShelf | None = None,
        may_simulate: bool = False,
        evidence: EvidenceLedger | None = None,
    ) -> None:
        """`payer`: whose money it is, when the signer is a delegate; `shelf`: keeps the books;
        `may_simulate`: on local chains only, whatever a policy says; `evidence`: of signers.
        """
        self._reader = FactsReader(services, escrow, evidence or NoEvidence())
        self._escrow = escrow
        self._client = client
        self._signer = signer
        self._payer = payer or signer.address
        self._time = ChainTime(clock)
        self._accounts: dict[tuple[bytes, bytes], Account] = {}
        self._facts: dict[bytes, tuple[int, Facts]] = {}
        self._opening = asyncio.Lock()
        self._shelf = shelf or NoShelf()
        self._may_simulate = may_simulate

    async def facts(self, service: bytes, *, is_fresh: bool = False) -> Facts:
        """What the chain says of a service, at one block, seconds old. Raises: ServiceUnknown."""
        seen = self._facts.get(service)
        if seen is None or is_fresh or self._time.now() - seen[0] > FACTS_SECONDS:
            facts = await asyncio.to_thread(self._reader.facts, service)
            self._time.observe(facts.now)
            seen = self._time.now(), facts
            self._facts[service] = seen
        return seen[1]

    async def order(self, service: bytes, wanted: Wanted) -> Order:
        """Sign the voucher of one request. Raises: ServiceUnknown, ServiceNotServing."""
        facts = await self.facts(service)
        account = await self._account(facts)
        limits = facts.service.limits
        hold = hold_of(
            facts.row,
            input_tokens=limits.max_input if wanted.max_input is None else wanted.max_input,
            max_tokens=0
            if wanted.route is Route.EMBEDDING
            else min(wanted.max_tokens or limits.max_output, limits.max_output),
        )
        nonce = account.next_nonce
        account.next_nonce += 1
        account.holds[nonce] = hold
        voucher = self._voucher(facts, account, nonce)
        await self._keep(voucher.voucher)
        place = facts.service.endpoint
        return Order(wanted.route, wanted.body, voucher, facts, place, wanted.private)

    async def restored(self, wanted: Wanted, voucher: SignedVoucher) -> Order:
        """An order of before, perhaps sent already: sent again it is one request, paid once.

        Raises: ServiceUnknown, ServiceNotServing, PriceUnknown.
        """
        said = voucher.voucher
        facts = await self.facts(said.service, is_fresh=True)
        row = await asyncio.to_thread(self._reader.row, said.service, said.price_version)
        facts = replace(facts, row=row)
        await self._account(facts)
        return Order(
            wanted.route, wanted.body, voucher, facts, facts.service.endpoint, wanted.private
        )

    async def ask(self, order: Order, policy: Policy | None = None) -> Verified:
        """Send an order and verify what comes; after ProviderUnreachable it may be sent again.

        Raises: UnverifiedAnswer, ProviderRefused, ProviderUnreachable.
        """
        try:
            raw = await self._client.ask(order.endpoint, order.route, order.body, order.voucher)
        except ProviderRefused:
            await self.let_go(order)
            raise
        return await self.check(order, raw, policy)

    def stream(self, order: Order) -> AsyncIterator[bytes]:
        """The bytes of an answer as they come; `check` them all at the end."""
        return self._client.stream(order.endpoint, order.route, order.body, order.voucher)

    async def check(self, order: Order, raw: bytes, policy: Policy | None = None) -> Verified:
        """Verify an answer's bytes, and owe its price. Raises: UnverifiedAnswer."""
        facts = await self.facts(order.voucher.voucher.service)
        exchange = Exchange(order.route, order.body, raw, order.voucher, order.private)
        policy = self.bounded(policy)
        try:
            found = verify(exchange, self._now(facts, order), policy)
        except UnverifiedAnswer as error:
            facts = await self.facts(order.voucher.voucher.service, is_fresh=True)
            facts = await asyncio.to_thread(self._reader.with_renewed, facts, error)
            try:
                found = verify(exchange, self._now(facts, order), policy)
            except UnverifiedAnswer:
                await self.let_go(order)
                raise
        account = self._accounts[_purse_of(order.voucher.voucher)]
        if account.holds.pop(order.nonce, None) is not None:
            account.acknowledged += found.receipt.price
            await self._keep(order.voucher.voucher)
        return found

    def bounded(self, policy: Policy | None) -> Policy:
        """A policy within what this chain allows."""
        return bounded(policy, may_simulate=self._may_simulate)

    async def _keep(self, voucher: Voucher) -> None:
        account = self._accounts[_purse_of(voucher)]
        if not isinstance(self._shelf, NoShelf):
            await asyncio.to_thread(self._shelf.save, *_purse_of(voucher), account)

    async def let_go(self, order: Order) -> None:
        """Nothing was sold for this order; its hold is not named again, by no later process."""
        account = self._accounts[_purse_of(order.voucher.voucher)]
        if account.holds.pop(order.nonce, None) is not None:
            await self._keep(order.voucher.voucher)

    async def acknowledge(self, service: bytes) -> SignedVoucher:
        """Pay what is owed without another request. Raises: ProviderRefused."""
        facts = await self.facts(service)
        account = await self._account(facts)
        voucher = self._voucher(facts, account, account.next_nonce)
        await self._client.acknowledge(facts.service.endpoint, voucher)
        return voucher

    async def unsettled(self, service: bytes) -> int:
        """What is owed there or in flight, and not taken from the deposit yet."""
        facts = await self.facts(service)
        account, purse = await self._account(facts), (facts.service.provider, facts.row.token)
        read = partial(self._escrow.bucket, self._payer, *purse)
        bucket = await asyncio.to_thread(lambda: read(at=self._escrow.head().hash))
        return max(0, account.cap - bucket.spent)

    def adopt(self, provider: bytes, token: bytes, *, owed: int, next_nonce: int) -> None:
        """Go on from what a provider says is owed, once its receipts were seen."""
        account = self._accounts.setdefault((provider, token), Account())
        account.acknowledged = max(account.acknowledged, owed)
        account.next_nonce = max(account.next_nonce, next_nonce)

    def account(self, provider: bytes, token: bytes = NATIVE_COIN) -> Account:
        """The book with one provider."""
        return self._accounts.setdefault((provider, token), Account())

    def _now(self, facts: Facts, order: Order) -> Facts:
        """The chain's facts with the time of now, and the row of the order's voucher."""
        return replace(facts, now=self._time.now(), row=order.facts.row)

    def _voucher(self, facts: Facts, account: Account, nonce: int) -> SignedVoucher:
        voucher = Voucher(
            payer=self._payer,
            provider=facts.service.provider,
            service=facts.service.id,
            price_version=facts.row.version,
            token=facts.row.token,
            cumulative=account.acknowledged,
            cap=min(account.cap, MAX_U96),
            expiry=self._time.now() + VOUCHER_SECONDS,
            nonce=nonce,
        )
        return sign_voucher(voucher, self._signer, facts.domain)

    async def _account(self, facts: Facts) -> Account:
        """The book, begun from what is settled on chain."""
        key = facts.service.provider, facts.row.token
        async with self._opening:
            if key not in self._accounts:
                account = await asyncio.to_thread(self._read_account, *key)
                self._accounts[key] = account
            return self._accounts[key]

    def _read_account(self, provider: bytes, token: bytes) -> Account:
        at = self._escrow.head().hash
        bucket = self._escrow.bucket(self._payer, provider, token, at=at)
        known = self._shelf.load(provider, token) or Account()
        known.acknowledged = max(known.acknowledged, bucket.spent)
        known.next_nonce = max(known.next_nonce, bucket.last_nonce + 1)
        known.holds = {
            nonce: hold for nonce, hold in known.holds.items() if nonce > bucket.last_nonce
        }
        return known


def _purse_of(voucher: Voucher) -> tuple[bytes, bytes]:
    return voucher.provider, voucher.token
