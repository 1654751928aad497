"""What an owner grants a session key, and signatures that count for one agent's account.

nested digest  keccak(0x19 0x01 || domain of the application || TypedDataSign)
TypedDataSign  keccak(type || contents || keccak(name) || keccak(version) || chain id || account
               || epoch), where the type names the struct that is signed (ERC-7739)
signature      65 bytes || domain 32 || contents 32 || type || u16 length of the type
PersonalSign   keccak(0x19 0x01 || the account's domain || keccak(type || hash)); an owner's only
Source: docs/protocol/agents.md#account, https://eips.ethereum.org/EIPS/eip-7739.
"""

from dataclasses import dataclass
from typing import Final, Protocol

from offchain.core.errors import InvalidInput
from offchain.core.hashing import Digest, keccak
from offchain.core.typed_data import words

NATIVE: Final = bytes(20)
PLAIN: Final = bytes.fromhex("eeeeeeee")  # coin without calldata
MAX_LIFE_SECONDS: Final = 30 * 86_400
MAX_CAPS: Final = 4
MAX_TARGETS: Final = 8
MAX_SELECTORS: Final = 8
MAX_DOMAINS: Final = 4
MAX_AMOUNT: Final = 2**96 - 1
MAX_NAME_BYTES: Final = 64
MAX_SIGNATURE_BYTES: Final = 1_024
NAME: Final = "Apogee AgentAccount"
VERSION: Final = "1"
DOMAIN_TYPE: Final = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,"
    b"bytes32 salt)"
)
PERSONAL_TYPE: Final = keccak(b"PersonalSign(bytes prefixed)")
_TYPE_TAIL: Final = (
    b" contents,string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)"
)


class SessionTermsRefused(InvalidInput):
    """A grant that the account would refuse."""

    code = "agents.session.terms_refused"


class DigestSigner(Protocol):
    """A key that signs digests and shows nothing of itself."""

    def sign_digest(self, digest: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Cap:
    """The most a session spends of a token, in its life and on one day of UTC."""

    token: bytes
    total: int
    day: int


@dataclass(frozen=True, slots=True)
class Target:
    """A contract and the functions of it that may be called; PLAIN for coin alone."""

    target: bytes
    selectors: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Grant:
    """A session's limits. Raises: SessionTermsRefused."""

    valid_from: int
    valid_until: int
    calls: int
    caps: tuple[Cap, ...] = ()
    targets: tuple[Target, ...] = ()
    domains: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.valid_from <= self.valid_until < 2**64 or not 0 <= self.calls < 2**32:
            raise SessionTermsRefused(valid_from=self.valid_from, valid_until=self.valid_until)
        counts = ((self.caps, MAX_CAPS), (self.targets, MAX_TARGETS), (self.domains, MAX_DOMAINS))
        if any(len(listed) > most for listed, most in counts):
            raise SessionTermsRefused(caps=len(self.caps), targets=len(self.targets))
        if any(not 0 < cap.day <= cap.total <= MAX_AMOUNT for cap in self.caps):
            raise SessionTermsRefused(reason="a cap is empty, or a day's exceeds the total")
        if len({cap.token for cap in self.caps}) != len(self.caps):
            raise SessionTermsRefused(reason="two caps of one token")
        if any(not 0 < len(one.selectors) <= MAX_SELECTORS for one in self.targets):
            raise SessionTermsRefused(reason="a target without functions, or with too many")
        if len({one.target for one in self.targets}) != len(self.targets):
            raise SessionTermsRefused(reason="one target twice")
        if any(not any(domain) for domain in self.domains):
            raise SessionTermsRefused(reason="a domain of zeros")

    def fields(self) -> tuple[object, ...]:
        """As the contract takes it."""
        caps = [(cap.token, cap.total, cap.day) for cap in self.caps]
        targets = [(one.target, list(one.selectors)) for one in self.targets]
        return (self.valid_from, self.valid_until, self.calls, caps, targets, list(self.domains))


@dataclass(frozen=True, slots=True)
class AccountDomain:
    """For which account, chain and epoch of its token a signature counts."""

    chain_id: int
    account: bytes
    epoch: int

    def separator(self) -> Digest:
        return keccak(words(DOMAIN_TYPE, *self._fields()))

    def nested(self, domain: bytes, contents: bytes, struct_type: str) -> Digest:
        """What a key signs so that a struct's digest counts for the account."""
        raw = struct_type.encode()
        name = raw[: _name_bytes(raw)]
        whole = keccak(b"TypedDataSign(", name, _TYPE_TAIL, raw)
        struct = keccak(words(whole, contents, *self._fields()))
        return keccak(b"\x19\x01", domain, struct)

    def personal(self, digest: bytes) -> Digest:
        """What an owner signs so that any other digest counts for the account."""
        return keccak(b"\x19\x01", self.separator(), keccak(words(PERSONAL_TYPE, digest)))

    def _fields(self) -> tuple[int | bytes, ...]:
        name, version = keccak(NAME.encode()), keccak(VERSION.encode())
        return name, version, self.chain_id, self.account, self.epoch


def sign_typed(
    signer: DigestSigner,
    account: AccountDomain,
    *,
    domain: bytes,
    contents: bytes,
    struct_type: str,
) -> bytes:
    """Sign a struct of an application for an account; an ERC-1271 signature.

    `contents` is the hash of the struct, `struct_type` its EIP-712 type with its own name first.
    Raises: InvalidInput.
    """
    raw = struct_type.encode()
    signature = signer.sign_digest(account.nested(domain, contents, struct_type))
    whole = signature + domain + contents + raw + len(raw).to_bytes(2, "big")
    if len(whole) > MAX_SIGNATURE_BYTES:
        raise InvalidInput("the type is too long", bytes=len(raw))
    return whole


def sign_personal(signer: DigestSigner, account: AccountDomain, digest: bytes) -> bytes:
    """Sign any digest for an account, as its owner."""
    return signer.sign_digest(account.personal(digest))


def _name_bytes(raw: bytes) -> int:
    """Length of the struct's name. Raises: InvalidInput for one that the account refuses."""
    length = raw.find(b"(")
    name = raw[: max(length, 0)]
    is_plain = 0 < length <= MAX_NAME_BYTES and raw.endswith(b")") and len(raw) > length + 1
    if not is_plain or name[:1].islower() or any(letter in b" ,)\0" for letter in name):
        raise InvalidInput("no EIP-712 type with its own name first", type=raw.decode())
    return length
