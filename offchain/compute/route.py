"""Which provider gets a request: filter, then score; pure.

  filter   kind, model, serving, level, simulated, charter, token, context, price, deposit, breaker
  score    price + a * median latency + b * failure rate                   lowest first

Price is what the request costs at most, in base units of the token; a and b say what a second of
waiting and a certain failure are worth in the same units. All offers that pass come back, so that a
caller can go on with the next one while nothing was answered; each that does not has its reason.
Source: docs/protocol/compute.md#gateway.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from offchain.compute.model import (
    NATIVE_COIN,
    NO_ATTESTATION,
    AmountTooLarge,
    Kind,
    PriceRow,
    Service,
    Verifiability,
    hold_of,
)

DEFAULT_LATENCY_SECONDS: Final = 1.0  # of a service that was never asked


class Refusal(StrEnum):
    """Why an offer does not serve a request; the order is that of the checks."""

    KIND = "kind"
    MODEL = "model"
    EXCLUDED = "excluded"
    NOT_SERVING = "not_serving"
    LEVEL = "level"
    SIMULATED = "simulated"
    CHARTER = "charter"
    TOKEN = "token"  # noqa: S105 - what is paid in
    CONTEXT = "context"
    PRICE = "price"
    DEPOSIT = "deposit"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Offer:
    """One service as the chain had it at the last look; `names`: its model's, lower case.

    `covered`: how much of vouchers the gateway's deposit with the provider still covers;
    `attestation_id`: the live evidence of the signer.
    """

    service: Service
    row: PriceRow
    verifiability: Verifiability
    signer: bytes
    is_serving: bool
    names: frozenset[str]
    covered: int = 0
    attestation_id: bytes = NO_ATTESTATION


@dataclass(frozen=True, slots=True)
class Want:
    """What a request needs. `input_tokens`: an upper bound; `max_tokens` None: the service's limit.

    `providers`, `services`: only these, when not empty, in this order of preference if
    `is_ordered`. `max_price`: of the whole request at its maximum.
    """

    kind: Kind
    model: str
    input_tokens: int
    max_tokens: int | None = None
    min_level: int = 0
    is_simulated_allowed: bool = True
    charter: bytes | None = None
    token: bytes = NATIVE_COIN
    max_price: int | None = None
    providers: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """How a service did lately; `is_blocked`: its breaker is open."""

    median_seconds: float = DEFAULT_LATENCY_SECONDS
    failure_rate: float = 0.0
    is_blocked: bool = False


@dataclass(frozen=True, slots=True)
class Weights:
    """`second`: what a second less is worth, as a share of the cheapest price; `failure`: the same
    for a certain failure.
    """

    second: float = 0.05
    failure: float = 2.0


@dataclass(frozen=True, slots=True)
class Choice:
    """An offer that serves, what the request may cost there, and its score."""

    offer: Offer
    hold: int
    input_tokens: int
    max_tokens: int
    score: float


@dataclass(frozen=True, slots=True)
class Routed:
    """Offers that serve, best first, and why the others do not."""

    choices: tuple[Choice, ...]
    refused: Mapping[bytes, Refusal] = field(default_factory=dict)

    def only_reason(self) -> Refusal | None:
        """The reason that stood between the request and an offer: the last check any came to."""
        order = list(Refusal)
        return max(self.refused.values(), key=order.index, default=None)


def route(
    want: Want,
    offers: Sequence[Offer],
    records: Mapping[bytes, Record],
    weights: Weights = Weights(),
) -> Routed:
    """Filter and score; equal scores fall to the smaller id, so that the order is one."""
    passed: list[tuple[Offer, int, int, int]] = []
    refused: dict[bytes, Refusal] = {}
    for offer in offers:
        refusal = _terms_refusal(want, offer)
        tokens = _tokens(want, offer)
        if refusal is None and tokens is None:
            refusal = Refusal.CONTEXT
        if refusal is None and tokens is not None:
            hold = _hold(offer, tokens)
            refusal = _money_refusal(want, offer, hold, records)
            if refusal is None and hold is not None:
                passed.append((offer, hold, *tokens))
        if refusal is not None:
            refused[offer.service.id] = refusal
    return Routed(_scored(want, passed, records, weights), refused)


def _terms_refusal(want: Want, offer: Offer) -> Refusal | None:
    service, verifiability = offer.service, offer.verifiability
    if service.kind is not want.kind:
        return Refusal.KIND
    if want.model not in offer.names:
        return Refusal.MODEL
    if want.providers and service.provider not in want.providers:
        return Refusal.EXCLUDED
    if not offer.is_serving:
        return Refusal.NOT_SERVING
    if verifiability.level < want.min_level:
        return Refusal.LEVEL
    if verifiability.is_simulated and not want.is_simulated_allowed:
        return Refusal.SIMULATED
    if want.charter is not None and service.charter_hash != want.charter:
        return Refusal.CHARTER
    if offer.row.token != want.token:
        return Refusal.TOKEN
    return None


def _tokens(want: Want, offer: Offer) -> tuple[int, int] | None:
    """Input and output tokens at most; None when the service does not take so many.

    The bound of the input is generous, so a prompt is never refused here for its length alone.
    """
    limits = offer.service.limits
    input_tokens = min(want.input_tokens, limits.max_input)
    if want.kind is not Kind.CHAT:
        return input_tokens, 0
    max_tokens = limits.max_output if want.max_tokens is None else want.max_tokens
    return None if max_tokens > limits.max_output else (input_tokens, max_tokens)


def _hold(offer: Offer, tokens: tuple[int, int]) -> int | None:
    """What the request may cost there; None when no voucher can say so much."""
    try:
        return hold_of(offer.row, input_tokens=tokens[0], max_tokens=tokens[1])
    except AmountTooLarge:
        return None


def _money_refusal(
    want: Want, offer: Offer, hold: int | None, records: Mapping[bytes, Record]
) -> Refusal | None:
    if hold is None or (want.max_price is not None and hold > want.max_price):
        return Refusal.PRICE
    if hold > offer.covered:
        return Refusal.DEPOSIT
    record = records.get(offer.service.id)
    return Refusal.BROKEN if record is not None and record.is_blocked else None


def _scored(
    want: Want,
    passed: Sequence[tuple[Offer, int, int, int]],
    records: Mapping[bytes, Record],
    weights: Weights,
) -> tuple[Choice, ...]:
    cheapest = min((hold for _, hold, _, _ in passed), default=0)
    choices = []
    for offer, hold, input_tokens, max_tokens in passed:
        record = records.get(offer.service.id, Record())
        waiting = weights.second * record.median_seconds
        failing = weights.failure * record.failure_rate
        score = hold + max(1, cheapest) * (waiting + failing)
        choices.append(Choice(offer, hold, input_tokens, max_tokens, score))
    order = {provider: place for place, provider in enumerate(want.providers)}

    def place(choice: Choice) -> tuple[int, float, bytes]:
        service = choice.offer.service
        return order.get(service.provider, 0), choice.score, service.id

    return tuple(sorted(choices, key=place))
