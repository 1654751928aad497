"""Thinking: one inference at a time, bought with vouchers, written down before it is sent.

A thought is ordered (voucher signed, nothing sent), journaled by the run, then sent. An order that
is sent again, after a crash or a lost connection, is the same request to the provider: the same
answer, paid once. Only verified answers come back. Source: docs/protocol/agents.md#runtime.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from offchain.agents.runtime_errors import JournalForeign
from offchain.compute.answers import Route
from offchain.compute.buy import Account, AccountShelf, Buyer, Order, Wanted
from offchain.compute.errors import ProviderUnreachable, VoucherMalformed
from offchain.compute.forms import pack_voucher, parse_voucher
from offchain.compute.model import SignedReceipt, SignedVoucher, hold_of
from offchain.compute.verify import Policy

Message = Mapping[str, str]
TEMPLATE_TOKENS: Final = 64  # what a chat template may add to a message
ATTEMPTS: Final = 5
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Thought:
    """A verified answer with its receipt."""

    text: str = field(repr=False)
    signed: SignedReceipt
    is_simulated: bool

    @property
    def price(self) -> int:
        return self.signed.receipt.price


@dataclass(frozen=True, slots=True)
class Ordered:
    """A request that is signed for and not sent yet; `hold`: what it costs at most."""

    order: Order
    max_input: int
    max_tokens: int

    @property
    def hold(self) -> int:
        row = self.order.facts.row
        return hold_of(row, input_tokens=self.max_input, max_tokens=self.max_tokens)

    def to_bytes(self) -> bytes:
        """For the journal: body and voucher, which is all that a repetition needs."""
        head = {"input": self.max_input, "tokens": self.max_tokens}
        voucher = pack_voucher(self.order.voucher).hex()
        return json.dumps({**head, "voucher": voucher, "body": self.order.body.decode()}).encode()


@dataclass(frozen=True, slots=True)
class Price:
    """What a request would cost at most, whom and in what."""

    hold: int
    provider: bytes
    currency: bytes


class Mind(Protocol):
    """Where thoughts come from."""

    async def price(self, messages: Sequence[Message], max_tokens: int) -> Price:
        """Before anything is signed. Raises: ServiceUnknown, ServiceNotServing."""
        ...

    async def order(self, messages: Sequence[Message], max_tokens: int) -> Ordered:
        """Sign for it, send nothing."""
        ...

    async def restore(self, raw: bytes) -> Ordered:
        """An order as it was written down."""
        ...

    async def send(self, ordered: Ordered) -> Thought:
        """Send, verify, owe. Raises: ProviderUnreachable, ProviderRefused, UnverifiedAnswer."""
        ...


class MarketMind:
    """A `Mind` that buys at one service of the compute market."""

    def __init__(
        self, buyer: Buyer, service: bytes, policy: Policy | None = None, *, sleep: Sleep
    ) -> None:
        self._buyer = buyer
        self._service = service
        self._policy = policy
        self._sleep = sleep

    async def price(self, messages: Sequence[Message], max_tokens: int) -> Price:
        facts = await self._buyer.facts(self._service)
        most = self._most_input(messages, facts.service.limits.max_input)
        tokens = min(max_tokens, facts.service.limits.max_output)
        hold = hold_of(facts.row, input_tokens=most, max_tokens=tokens)
        return Price(hold, facts.service.provider, facts.row.token)

    async def order(self, messages: Sequence[Message], max_tokens: int) -> Ordered:
        facts = await self._buyer.facts(self._service)
        tokens = min(max_tokens, facts.service.limits.max_output)
        most = self._most_input(messages, facts.service.limits.max_input)
        wanted = Wanted(Route.CHAT, body_of(messages, tokens), most, tokens)
        return Ordered(await self._buyer.order(self._service, wanted), most, tokens)

    async def restore(self, raw: bytes) -> Ordered:
        voucher, found = voucher_in(raw), json.loads(raw)
        body, most, tokens = found["body"].encode(), found["input"], found["tokens"]
        wanted = Wanted(Route.CHAT, body, most, tokens)
        return Ordered(await self._buyer.restored(wanted, voucher), most, tokens)

    async def send(self, ordered: Ordered) -> Thought:
        for attempt in range(ATTEMPTS):
            try:
                found = await self._buyer.ask(ordered.order, self._policy)
            except ProviderUnreachable:
                if attempt + 1 == ATTEMPTS:
                    raise
                await self._sleep(0.2 * 2**attempt)
                continue
            return Thought(found.text, found.signed, found.verifiability.is_simulated)
        raise AssertionError

    def _most_input(self, messages: Sequence[Message], limit: int) -> int:
        size = len(json.dumps(list(messages))) + TEMPLATE_TOKENS * (len(messages) + 1)
        return min(size, limit)


def body_of(messages: Sequence[Message], max_tokens: int) -> bytes:
    """The request's bytes; greedy, so that a thought can be checked by who repeats it."""
    fields = {"messages": list(messages), "max_tokens": max_tokens, "temperature": 0}
    return json.dumps(fields).encode()


def voucher_in(raw: bytes) -> SignedVoucher:
    """The voucher of an order that was written down. Raises: JournalForeign."""
    try:
        return parse_voucher(bytes.fromhex(json.loads(raw)["voucher"]))
    except (ValueError, KeyError, VoucherMalformed) as error:
        raise JournalForeign(part="order") from error


class KnownHolds:
    """An `AccountShelf` that forgets holds nobody can claim: orders that never left this process.

    `known`: nonces of the orders that were written down, by provider; what was signed and not
    journaled was not sent either, and its hold would widen later vouchers.
    """

    def __init__(self, inner: AccountShelf, known: Callable[[bytes], set[int]]) -> None:
        self._inner = inner
        self._known = known

    def load(self, provider: bytes, token: bytes) -> Account | None:
        found = self._inner.load(provider, token)
        if found is not None:
            known = self._known(provider)
            found.holds = {nonce: hold for nonce, hold in found.holds.items() if nonce in known}
        return found

    def save(self, provider: bytes, token: bytes, account: Account) -> None:
        self._inner.save(provider, token, account)


async def slept(seconds: float) -> None:
    """The clock's sleep."""
    await asyncio.sleep(seconds)
