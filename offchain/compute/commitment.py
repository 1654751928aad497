"""What an answer commits to: 32 bytes in its receipt that an auditor can have opened.

  header   183 bytes, leaf 0:  version u8 = 1 | n_prompt u32 | n_output u32 | tokenizer 32 |
           numerics u8 | sampler u8 | temperature u32 | top_p u32 (millionths) | top_k u32 |
           seed 32 | charter 32 | policy 32 | action 32
  prompt   leaf 1:      salt 32 | n u32 | ids u32 ... | fingerprint of the whole prompt
  chunk j  leaf 2 + j:  n u32 | ids u32 ... | fingerprint of the states these ids were drawn from |
           keccak(salt || u32 j) in a private answer: who guesses its words cannot test the guess
  leaf     keccak(0x00 || bytes), node keccak(0x01 || left || right), a lone node goes up as it is
  root     keccak(0x02 || leaf count u32 || top of the tree)

All numbers are big-endian. The count of leaves is inside the root, so opening the header alone
proves how many chunks there are. Chunks have 32 ids, the last one perhaps fewer; an engine that
does not know its ids writes 2^32 - 1 for each. Source:
docs/protocol/compute.md#commitment-and-fingerprints.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from offchain.compute.engine import Trace
from offchain.compute.fingerprint import CHUNK_TOKENS
from offchain.compute.model import Numerics
from offchain.core.errors import Rejected
from offchain.core.hashing import DIGEST_BYTES, Digest, keccak

VERSION: Final = 1
HEADER: Final = Struct(">BII32sBBIII32s32s32s32s")
HEADER_BYTES: Final = HEADER.size
MAX_LEAVES: Final = 1 << 16
UNKNOWN_ID: Final = 0xFFFFFFFF
LEAF: Final = b"\x00"
NODE: Final = b"\x01"
ROOT: Final = b"\x02"


class CommitmentMalformed(Rejected):
    """The bytes are no leaf of a commitment."""

    code = "compute.commitment.malformed"


@dataclass(frozen=True, slots=True)
class Header:
    """How the tokens came about. `seed` is the key of the noise, zero when there is none."""

    prompt_tokens: int
    output_tokens: int
    tokenizer_hash: bytes
    numerics: Numerics
    sampler: int
    temperature_millionths: int
    top_p_millionths: int
    top_k: int
    seed: bytes
    charter: bytes = bytes(DIGEST_BYTES)
    policy: bytes = bytes(DIGEST_BYTES)
    action: bytes = bytes(DIGEST_BYTES)

    @property
    def allows_audit(self) -> bool:
        """Whether the buyer lets auditors see request and answer; the last bit of `policy`."""
        return bool(self.policy[-1] & 1)

    def to_bytes(self) -> bytes:
        return HEADER.pack(
            VERSION,
            self.prompt_tokens,
            self.output_tokens,
            self.tokenizer_hash,
            self.numerics,
            self.sampler,
            self.temperature_millionths,
            self.top_p_millionths,
            self.top_k,
            self.seed,
            self.charter,
            self.policy,
            self.action,
        )

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Header":
        """Raises: CommitmentMalformed."""
        if len(raw) != HEADER_BYTES or raw[0] != VERSION:
            raise CommitmentMalformed(part="header", bytes=len(raw))
        _, prompt, output, tokenizer, numerics, *rest = HEADER.unpack(raw)
        try:
            return cls(prompt, output, tokenizer, Numerics(numerics), *rest)
        except ValueError as error:
            raise CommitmentMalformed(part="header", numerics=numerics) from error


@dataclass(frozen=True, slots=True)
class Opening:
    """One leaf with its place: what a provider reveals. Siblings go from the lowest up."""

    index: int
    leaves: int
    data: bytes
    siblings: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Commitment:
    """The leaves of one answer; `root` is what its receipt names."""

    leaves: tuple[bytes, ...]

    @property
    def root(self) -> Digest:
        return root_of_hashes([leaf_hash(leaf) for leaf in self.leaves])

    def open(self, index: int) -> Opening:
        """A leaf with its path."""
        siblings, at = [], index
        level = [leaf_hash(leaf) for leaf in self.leaves]
        while len(level) > 1:
            if at ^ 1 < len(level):
                siblings.append(level[at ^ 1])
            level, at = _next_level(level), at >> 1
        return Opening(index, len(self.leaves), self.leaves[index], tuple(siblings))


def commit(header: Header, trace: Trace, salt: bytes, *, hides_chunks: bool = False) -> Commitment:
    """The commitment to an answer's header, prompt and chunks, which no audit sees if hidden."""
    chunks = [
        trace.output_ids[start : start + CHUNK_TOKENS]
        for start in range(0, len(trace.output_ids), CHUNK_TOKENS)
    ]
    prints = trace.chunk_fingerprints or (b"",) * len(chunks)
    if hides_chunks:
        salts = (keccak(salt, number.to_bytes(4, "big")) for number in range(len(chunks)))
        prints = tuple(mark + own for mark, own in zip(prints, salts, strict=True))
    return Commitment(
        (
            header.to_bytes(),
            salt + _ids_bytes(trace.prompt_ids) + trace.prefill_fingerprint,
            *(_ids_bytes(ids) + mark for ids, mark in zip(chunks, prints, strict=True)),
        )
    )


def root_of(opening: Opening) -> Digest:
    """The root an opening leads to. Raises: CommitmentMalformed for a path of wrong length."""
    digest, at, width = leaf_hash(opening.data), opening.index, opening.leaves
    if not 0 <= at < width <= MAX_LEAVES:
        raise CommitmentMalformed(part="place", index=at, leaves=width)
    siblings = iter(opening.siblings)
    try:
        while width > 1:
            if at ^ 1 < width:
                sibling = next(siblings)
                digest = keccak(NODE, *((sibling, digest) if at & 1 else (digest, sibling)))
            at, width = at >> 1, (width + 1) // 2
    except StopIteration as error:
        raise CommitmentMalformed(part="path", siblings=len(opening.siblings)) from error
    if next(siblings, None) is not None:
        raise CommitmentMalformed(part="path", siblings=len(opening.siblings))
    return keccak(ROOT, opening.leaves.to_bytes(4, "big"), digest)


def root_of_hashes(hashes: Sequence[bytes]) -> Digest:
    """The root over leaves of which only the hashes are known."""
    level = [Digest(one) for one in hashes]
    while len(level) > 1:
        level = _next_level(level)
    return keccak(ROOT, len(hashes).to_bytes(4, "big"), level[0])


def open_header(header: bytes, hashes: Sequence[bytes]) -> Opening:
    """The header with its path, from the hashes of all leaves."""
    siblings, level = [], [Digest(one) for one in hashes]
    while len(level) > 1:
        siblings.append(level[1])
        level = _next_level(level)
    return Opening(0, len(hashes), header, tuple(siblings))


def policy_of(*, is_audit_ok: bool) -> bytes:
    """What a header says of the buyer's wishes: whether auditors may see request and answer."""
    return bytes(DIGEST_BYTES - 1) + bytes([is_audit_ok])


def leaf_hash(data: bytes) -> Digest:
    """The hash of one leaf's bytes."""
    return keccak(LEAF, data)


def parse_prompt(data: bytes) -> tuple[bytes, tuple[int, ...], bytes]:
    """Salt, ids and fingerprint of leaf 1. Raises: CommitmentMalformed."""
    ids, mark = parse_chunk(data[DIGEST_BYTES:])
    return data[:DIGEST_BYTES], ids, mark


def parse_chunk(data: bytes) -> tuple[tuple[int, ...], bytes]:
    """Ids and fingerprint of a chunk's leaf. Raises: CommitmentMalformed."""
    count = int.from_bytes(data[:4], "big")
    end = 4 + 4 * count
    if len(data) < end or len(data) < 4:
        raise CommitmentMalformed(part="ids", count=count, bytes=len(data))
    ids = tuple(int.from_bytes(data[at : at + 4], "big") for at in range(4, end, 4))
    return ids, data[end:]


def _ids_bytes(ids: Sequence[int]) -> bytes:
    parts = [len(ids), *(UNKNOWN_ID if one < 0 else one for one in ids)]
    return b"".join(part.to_bytes(4, "big") for part in parts)


def _next_level(level: list[Digest]) -> list[Digest]:
    pairs = [keccak(NODE, a, b) for a, b in zip(level[::2], level[1::2], strict=False)]
    return pairs + level[len(pairs) * 2 :]
