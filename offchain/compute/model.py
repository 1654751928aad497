"""A service, its prices, and the two things that are signed: the voucher and the receipt; pure.

  service id     keccak(T_SERVICE || chain id || registry || provider || kind || salt), words
  requestHash    keccak(T_REQUEST || body bytes exactly as sent)
  responseHash   keccak(T_RESPONSE || RFC 8785 JSON of the answer's messages, or fp32 LE numbers)
  requestId      keccak(T_REQUEST_ID || voucher digest || requestHash)
  price          ceil((input * input_price + output * output_price) / 1e6) + request_price
  voucher        EIP-712, domain (Apogee ComputeEscrow, 1, chain id, ComputeEscrow): Voucher(...)
  receipt        the same domain: Receipt(...), signed by the service's signer

Addresses and hashes are raw bytes, amounts base units of `token` (20 zero bytes: the native coin),
prices are for 1,000,000 tokens, times chain seconds. Source: docs/protocol/compute.md.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from offchain.core.errors import InvalidInput
from offchain.core.hashing import (
    TAG_COMPUTE_REQUEST,
    TAG_COMPUTE_REQUEST_ID,
    TAG_COMPUTE_RESPONSE,
    TAG_COMPUTE_SERVICE,
    Digest,
    keccak,
)
from offchain.core.typed_data import domain_of, typed_digest, words

PRICE_UNIT_TOKENS: Final = 1_000_000
NATIVE_COIN: Final = bytes(20)
NO_ATTESTATION: Final = bytes(32)
MAX_U32: Final = (1 << 32) - 1
MAX_U64: Final = (1 << 64) - 1
MAX_U96: Final = (1 << 96) - 1
# Of texts, lists and objects with their members in order this writes what RFC 8785 asks for.
_CANONICAL: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
DOMAIN_NAME: Final = "Apogee ComputeEscrow"
DOMAIN_VERSION: Final = "1"
VOUCHER_TYPE: Final = keccak(
    b"Voucher(address payer,address provider,bytes32 service,uint32 priceVersion,address token,"
    b"uint96 cumulative,uint96 cap,uint64 expiry,uint64 nonce)"
)
RECEIPT_TYPE: Final = keccak(
    b"Receipt(bytes32 requestId,address payer,address provider,bytes32 service,"
    b"uint32 priceVersion,bytes32 requestHash,bytes32 responseHash,bytes32 modelHash,"
    b"bytes32 commitment,uint32 inputTokens,uint32 outputTokens,uint96 price,uint64 nonce,"
    b"uint64 time,uint8 finish,bytes32 attestationId)"
)


class AmountTooLarge(InvalidInput):
    """A price does not fit into 96 bits."""

    code = "compute.amount_too_large"
    next_step = "Ask for fewer tokens, or for a service with a price of this world."


class Kind(IntEnum):
    """What a service sells."""

    CHAT = 1
    EMBEDDING = 2
    IMAGE = 3
    FINE_TUNE = 4
    TRAIN = 5


class Numerics(IntEnum):
    """How a service computes, which says who may check it and how."""

    REFERENCE = 1  # bit for bit
    TORCH_FP32 = 2
    TORCH_BF16 = 3
    GGUF = 4
    OPAQUE = 5


class Level(IntEnum):
    """How verifiable a service is right now; ordered."""

    NONE = 0
    AUDITED = 1
    BROKER_IN_TEE = 2
    MODEL_IN_TEE = 3


class ServiceState(IntEnum):
    """Numbers are the flag values of ServiceRegistry; NONE was never registered."""

    NONE = 0
    DRAFT = 1
    ACTIVE = 2
    PAUSED = 4
    SUSPENDED = 8
    RETIRING = 16
    RETIRED = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """The most input and output tokens of a request, and how many requests run at once."""

    max_input: int
    max_output: int
    concurrency: int


@dataclass(frozen=True, slots=True)
class Service:
    """One service as ServiceRegistry knows it; its `model_hash` never changes."""

    id: bytes
    provider: bytes
    kind: Kind
    numerics: Numerics
    state: ServiceState
    model_hash: bytes
    charter_hash: bytes
    signer: bytes
    endpoint: str
    limits: Limits
    price_version: int


@dataclass(frozen=True, slots=True)
class PriceRow:
    """Prices for 1,000,000 tokens and one request; `retired_at` 0 while it is the newest."""

    version: int
    token: bytes
    input_price: int
    output_price: int
    request_price: int
    valid_from: int
    retired_at: int = 0

    def is_payable(self, time: int, grace_seconds: int) -> bool:
        """Whether a request of this moment may be paid by this row."""
        is_over = self.retired_at != 0 and time > self.retired_at + grace_seconds
        return self.valid_from <= time and not is_over


@dataclass(frozen=True, slots=True)
class Verifiability:
    """The level of a service at one block, computed by the registry; `until` in chain seconds."""

    level: Level
    is_simulated: bool
    until: int


@dataclass(frozen=True, slots=True)
class Voucher:
    """What a buyer signs: he owes `cumulative` so far, and at most `cap` after request `nonce`."""

    payer: bytes
    provider: bytes
    service: bytes
    price_version: int
    token: bytes
    cumulative: int
    cap: int
    expiry: int
    nonce: int

    def digest(self, domain: bytes) -> Digest:
        """What is signed, by the payer or his delegate."""
        return typed_digest(
            domain,
            VOUCHER_TYPE,
            self.payer,
            self.provider,
            self.service,
            self.price_version,
            self.token,
            self.cumulative,
            self.cap,
            self.expiry,
            self.nonce,
        )


@dataclass(frozen=True, slots=True)
class SignedVoucher:
    """A voucher and its 65 bytes r || s || v (ERC-1271 payers: whatever their contract takes)."""

    voucher: Voucher
    signature: bytes


class Finish(IntEnum):
    """Why an answer ended."""

    STOP = 1  # the model ended it, or a stop word did
    LENGTH = 2  # the limit of tokens
    CUT = 3  # the buyer left, or a deadline passed: he pays what was sent


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a provider signs: this request, this answer, this model, this price."""

    request_id: bytes
    payer: bytes
    provider: bytes
    service: bytes
    price_version: int
    request_hash: bytes
    response_hash: bytes
    model_hash: bytes
    commitment: bytes
    input_tokens: int
    output_tokens: int
    price: int
    nonce: int
    time: int
    finish: Finish
    attestation_id: bytes = NO_ATTESTATION

    def struct_words(self) -> bytes:
        """The 16 fields as ABI words, as courts take them; without the type hash."""
        return words(
            self.request_id,
            self.payer,
            self.provider,
            self.service,
            self.price_version,
            self.request_hash,
            self.response_hash,
            self.model_hash,
            self.commitment,
            self.input_tokens,
            self.output_tokens,
            self.price,
            self.nonce,
            self.time,
            int(self.finish),
            self.attestation_id,
        )

    def struct_hash(self) -> Digest:
        """The EIP-712 hash of the struct, which leaves of a batch are made of."""
        return keccak(RECEIPT_TYPE, self.struct_words())

    def digest(self, domain: bytes) -> Digest:
        """What is signed, by the service's signer."""
        return keccak(b"\x19\x01", domain, self.struct_hash())


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt and its 65 bytes r || s || v."""

    receipt: Receipt
    signature: bytes


def compute_domain(*, chain_id: int, escrow: bytes) -> Digest:
    """The EIP-712 domain separator of vouchers and receipts."""
    return domain_of(DOMAIN_NAME, DOMAIN_VERSION, chain_id=chain_id, contract=escrow)


def service_id(
    *, chain_id: int, registry: bytes, provider: bytes, kind: Kind, salt: bytes
) -> Digest:
    """The id that ServiceRegistry gives a service."""
    return keccak(TAG_COMPUTE_SERVICE, words(chain_id, registry, provider, int(kind), salt))


def price_of(row: PriceRow, *, input_tokens: int, output_tokens: int) -> int:
    """What a request costs, rounded up once. Raises: AmountTooLarge."""
    units = input_tokens * row.input_price + output_tokens * row.output_price
    price = -(-units // PRICE_UNIT_TOKENS) + row.request_price
    if price > MAX_U96:
        raise AmountTooLarge(price=price, maximum=MAX_U96)
    return price


def hold_of(row: PriceRow, *, input_tokens: int, max_tokens: int) -> int:
    """What a request costs at most: with every output token it may have."""
    return price_of(row, input_tokens=input_tokens, output_tokens=max_tokens)


def input_bound(texts: Sequence[str]) -> int:
    """The most tokens that texts to embed can have: one a byte, and two marks around each."""
    return sum(len(text.encode()) + 2 for text in texts)


def request_hash(body: bytes) -> Digest:
    """The hash of a request's body, exactly the bytes that were sent."""
    return keccak(TAG_COMPUTE_REQUEST, body)


def request_id(voucher_digest: bytes, hash_of_request: bytes) -> Digest:
    """The name of one paid request, and its idempotency key everywhere."""
    return keccak(TAG_COMPUTE_REQUEST_ID, voucher_digest, hash_of_request)


def response_hash(answer: bytes) -> Digest:
    """The hash of an answer in its canonical bytes: `chat_bytes`, `text_bytes` or numbers."""
    return keccak(TAG_COMPUTE_RESPONSE, answer)


def chat_bytes(texts: Sequence[str]) -> bytes:
    """The messages of a chat answer, in order of their choices, as RFC 8785 JSON."""
    messages = [{"content": text, "role": "assistant"} for text in texts]
    return _CANONICAL.encode(messages).encode()


def text_bytes(texts: Sequence[str]) -> bytes:
    """The texts of a completion, in order of their choices, as RFC 8785 JSON."""
    return _CANONICAL.encode([{"text": text} for text in texts]).encode()
