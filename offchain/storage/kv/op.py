"""Signed operations: wire format, digests, signatures; bounded, one reading each.

  op     0 u8 version=1 | 1 u8 mode (| 0x80: the value is a file) | 2 stream 32 | 34 u64 generation
         u16 key length, key | u64 expected | u32 value length, value | u64 nonce | u64 valid until
         u8 size, u8 place of its group (0, 0: alone) | signer 20
         u8 scheme | 1: r 32, s 32, v 1 (secp256k1) | 2: r 32, s 32, key x 32, y 32 (P-256)

A signature is over the EIP-712 digest of all that stands before the scheme, domain (Apogee KV, 1,
chain id, KVStreams). The signer of a P-256 key is the last 20 bytes of keccak(x || y). Operations
of a group follow each other in a batch (batch_frame.py), one signer, one stream, places 0, 1, ..
size-1, nonces rising by one. Source: docs/protocol/storage.md#key-value-streams.
"""

import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from functools import lru_cache
from typing import Final, Protocol

from coincurve import PublicKey
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)

from offchain.core.hashing import Digest, keccak
from offchain.storage.kv.cells import (
    ANY,
    COUNTER_BYTES,
    FILE_VALUE_BYTES,
    MAX_KEY_BYTES,
    MAX_VALUE_BYTES,
)
from offchain.storage.kv.errors import OpMalformed

VERSION: Final = 1
FILE_FLAG: Final = 0x80
MAX_GROUP: Final = 255
SHORT_OP_BYTES: Final = 1_024
SHORT_OPS: Final = 8_192
MAX_RIGHT_BYTES: Final = 96
_HEAD: Final = struct.Struct(">BB32sQH")
_TAIL: Final = struct.Struct(">QQBB20sB")
_SIGNATURE_BYTES: Final = {1: 65, 2: 128}
MAX_OP_BYTES: Final = _HEAD.size + MAX_KEY_BYTES + 12 + MAX_VALUE_BYTES + _TAIL.size + 128
_HALF_ORDER: Final = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0
_DOMAIN_TYPE: Final = keccak(
    b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_OP_TYPE: Final = keccak(
    b"Operation(uint8 mode,bytes32 stream,uint64 generation,bytes key,uint64 expected,bytes value,"
    b"uint64 nonce,uint64 validUntil,uint8 groupSize,uint8 groupPlace,address signer)"
)
_NAME: Final = keccak(b"Apogee KV")
_NAME_VERSION: Final = keccak(b"1")


class Mode(IntEnum):
    """What an operation does at its place in the log."""

    PUT = 1
    CAS = 2  # as PUT, if the version is the expected one
    ASSERT = 3  # nothing, if the version is the expected one
    APPEND = 4
    ADD = 5
    DELETE = 6
    ACCESS = 7  # give or take a right; the key is the subject


class Scheme(IntEnum):
    """How it is signed; also the kind of subject in rights."""

    ACCOUNT = 1
    KEY = 2


@dataclass(frozen=True, slots=True)
class Subject:
    """Who may hold a right: an account (its 20 bytes, left-padded) or keccak of a P-256 key."""

    scheme: Scheme
    digest: bytes

    @property
    def key(self) -> bytes:
        """As a key of the tree."""
        return bytes((self.scheme,)) + self.digest

    @classmethod
    def account(cls, address: bytes) -> "Subject":
        return cls(Scheme.ACCOUNT, bytes(12) + address)

    @classmethod
    def public_key(cls, key: bytes) -> "Subject":
        """Of the 64 bytes x || y of a P-256 key."""
        return cls(Scheme.KEY, keccak(key))


@dataclass(frozen=True, slots=True)
class Op:
    """One operation; `key`, `value` and the signature are within the bounds of the format."""

    mode: Mode
    stream: bytes
    generation: int
    key: bytes
    value: bytes
    nonce: int
    signer: bytes
    expected: int = ANY
    valid_until: int = (1 << 64) - 1
    is_file: bool = False
    group_size: int = 0
    group_place: int = 0
    scheme: Scheme = Scheme.ACCOUNT
    signature: bytes = b""

    def to_bytes(self) -> bytes:
        flag = FILE_FLAG if self.is_file else 0
        head = _HEAD.pack(VERSION, self.mode | flag, self.stream, self.generation, len(self.key))
        middle = self.expected.to_bytes(8, "big") + len(self.value).to_bytes(4, "big")
        tail = _TAIL.pack(
            self.nonce,
            self.valid_until,
            self.group_size,
            self.group_place,
            self.signer,
            self.scheme,
        )
        return b"".join((head, self.key, middle, self.value, tail, self.signature))

    @property
    def digest(self) -> Digest:
        """The hash that acknowledgements name: of all bytes, signature included."""
        return keccak(self.to_bytes())


class Signs(Protocol):
    """A key that signs operations."""

    @property
    def signer(self) -> bytes:
        """20 bytes."""
        ...

    @property
    def scheme(self) -> Scheme: ...

    @property
    def subject(self) -> Subject: ...

    def sign(self, digest: bytes) -> bytes:
        """As the scheme's part of the format."""
        ...


class HoldsKey(Protocol):
    """An account's key, as offchain/chain/keys.py has it."""

    def sign_digest(self, digest: bytes) -> bytes: ...


class AccountKey:
    """Signs with an account's secp256k1 key."""

    scheme = Scheme.ACCOUNT

    def __init__(self, address: bytes, holder: HoldsKey) -> None:
        self.signer = bytes(address)
        self._holder = holder

    @property
    def subject(self) -> Subject:
        return Subject.account(self.signer)

    def sign(self, digest: bytes) -> bytes:
        return self._holder.sign_digest(digest)


class SessionKey:
    """Signs with a P-256 key, as phones and browsers hold them."""

    scheme = Scheme.KEY

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        numbers = key.public_key().public_numbers()
        self.public = numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")
        self.signer = keccak(self.public)[12:]

    @classmethod
    def from_secret(cls, secret: bytes) -> "SessionKey":
        return cls(ec.derive_private_key(int.from_bytes(secret, "big"), ec.SECP256R1()))

    @property
    def subject(self) -> Subject:
        return Subject.public_key(self.public)

    def sign(self, digest: bytes) -> bytes:
        algorithm = ec.ECDSA(Prehashed(hashes.SHA256()))
        r, s = decode_dss_signature(self._key.sign(digest, algorithm))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big") + self.public


def domain_separator(chain_id: int, streams: bytes) -> Digest:
    """EIP-712 domain of operations and soft acknowledgements."""
    return keccak(
        _DOMAIN_TYPE, _NAME, _NAME_VERSION, chain_id.to_bytes(32, "big"), bytes(12), streams
    )


def op_digest(op: Op, domain: bytes) -> Digest:
    """What the signer signs."""
    flag = FILE_FLAG if op.is_file else 0
    words = (
        op.mode | flag,
        op.generation,
        op.expected,
        op.nonce,
        op.valid_until,
        op.group_size,
        op.group_place,
    )
    mode, generation, expected, nonce, until, size, place = (n.to_bytes(32, "big") for n in words)
    struct_hash = keccak(
        _OP_TYPE,
        mode,
        op.stream,
        generation,
        keccak(op.key),
        expected,
        keccak(op.value),
        nonce,
        until,
        size,
        place,
        bytes(12),
        op.signer,
    )
    return keccak(b"\x19\x01", domain, struct_hash)


def sign_op(op: Op, key: Signs, domain: bytes) -> Op:
    """The operation with this key's signer, scheme and signature."""
    unsigned = replace(op, signer=key.signer, scheme=key.scheme, signature=b"")
    return replace(unsigned, signature=key.sign(op_digest(unsigned, domain)))


def claimed_subject(op: Op) -> Subject:
    """Whom the operation names as its signer, whether or not it is signed."""
    if op.scheme is Scheme.ACCOUNT:
        return Subject.account(op.signer)
    return Subject.public_key(op.signature[64:])


def subject_of(op: Op, domain: bytes) -> Subject | None:
    """Who signed it; None when nobody did."""
    digest = op_digest(op, domain)
    if op.scheme is Scheme.ACCOUNT:
        is_signed = account_signed(op.signature, digest) == op.signer
        return Subject.account(op.signer) if is_signed else None
    public = op.signature[64:]
    is_signed = keccak(public)[12:] == op.signer and _is_p256(op.signature, digest)
    return Subject.public_key(public) if is_signed else None


def account_signed(signature: bytes, digest: bytes) -> bytes | None:
    """The account that signed r || s || v, with s in the lower half and v 27 or 28; else None."""
    if len(signature) != _SIGNATURE_BYTES[1]:
        return None
    recovery = signature[64] - 27
    if recovery not in (0, 1) or int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        return None
    try:
        public = PublicKey.from_signature_and_message(
            signature[:64] + bytes((recovery,)), digest, hasher=None
        )
    except ValueError:
        return None
    return keccak(public.format(compressed=False)[1:])[12:]


def parse_op(raw: bytes) -> Op:
    """Read one operation. Raises: OpMalformed."""
    return _parse_short(raw) if len(raw) <= SHORT_OP_BYTES else _parse_any(raw)


def _parse_any(raw: bytes) -> Op:
    try:
        op, end = _parse(raw)
    except (struct.error, ValueError) as error:
        raise OpMalformed(bytes=len(raw), reason=str(error)[:80]) from error
    if end != len(raw):
        raise OpMalformed(bytes=len(raw), expected=end)
    _require_shape(op)
    return op


# A batcher reads an operation when it promises it and when it plays it, its replica once more.
_parse_short = lru_cache(SHORT_OPS)(_parse_any)


def require_op(op: Op) -> None:
    """Whether the fields make an operation of this format. Raises: OpMalformed."""
    _require_shape(op)


def _parse(raw: bytes) -> tuple[Op, int]:
    version, mode, stream, generation, key_length = _HEAD.unpack_from(raw)
    if version != VERSION:
        raise OpMalformed(version=version)
    start = _HEAD.size
    key = raw[start : start + key_length]
    start += key_length
    expected = int.from_bytes(raw[start : start + 8], "big")
    size = int.from_bytes(raw[start + 8 : start + 12], "big")
    if size > MAX_VALUE_BYTES:
        raise OpMalformed(value_bytes=size, maximum=MAX_VALUE_BYTES)
    start += 12
    value = raw[start : start + size]
    start += size
    nonce, until, group_size, place, signer, scheme = _TAIL.unpack_from(raw, start)
    start += _TAIL.size
    end = start + _SIGNATURE_BYTES[Scheme(scheme)]
    op = Op(
        mode=Mode(mode & ~FILE_FLAG),
        stream=stream,
        generation=generation,
        key=key,
        expected=expected,
        value=value,
        is_file=bool(mode & FILE_FLAG),
        nonce=nonce,
        valid_until=until,
        group_size=group_size,
        group_place=place,
        signer=signer,
        scheme=Scheme(scheme),
        signature=raw[start:end],
    )
    return op, end


def _require_shape(op: Op) -> None:
    if not 0 < len(op.key) <= MAX_KEY_BYTES or len(op.value) > MAX_VALUE_BYTES:
        raise OpMalformed(key_bytes=len(op.key), value_bytes=len(op.value))
    if len(op.signature) != _SIGNATURE_BYTES[op.scheme]:
        raise OpMalformed(signature_bytes=len(op.signature))
    is_alone = op.group_size == 0 and op.group_place == 0
    if not is_alone and not op.group_place < op.group_size:
        raise OpMalformed(group_size=op.group_size, group_place=op.group_place)
    if op.mode in (Mode.CAS, Mode.ASSERT) and op.expected == ANY:
        raise OpMalformed(mode=op.mode.name, expected=op.expected)
    if op.mode in (Mode.PUT, Mode.APPEND, Mode.ADD) and op.expected != ANY:
        raise OpMalformed(mode=op.mode.name, expected=op.expected)
    if op.is_file and op.mode not in (Mode.PUT, Mode.CAS, Mode.APPEND):
        raise OpMalformed(mode=op.mode.name, is_file=True)
    if not _is_value_right(op):
        raise OpMalformed(mode=op.mode.name, value_bytes=len(op.value))


def _is_value_right(op: Op) -> bool:
    size = len(op.value)
    match op.mode:
        case Mode.ADD:
            return size == COUNTER_BYTES
        case Mode.ASSERT:
            return size == 0
        case Mode.DELETE:
            return size in (0, 8)
        case Mode.ACCESS:
            return len(op.key) == 33 and op.key[0] in (1, 2) and size <= MAX_RIGHT_BYTES
        case _:
            return size == FILE_VALUE_BYTES if op.is_file else True


def _is_p256(signature: bytes, digest: bytes) -> bool:
    r, s, x, y = (int.from_bytes(signature[i : i + 32], "big") for i in range(0, 128, 32))
    try:
        public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
        public.verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(hashes.SHA256())))
    except (ValueError, InvalidSignature):
        return False
    return True
