"""Make an agent: encrypt its bundle, store the file, seal its key to its owner, mint the token.

Key and salts follow from the wallet's key and the content, so a mint that was killed goes on with
the same file: nothing is stored or paid twice, and no key lies on a disk. Blocking is in threads.
Source: docs/protocol/agents.md#bundles.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from offchain.agents.bundle import Bundle, encrypt_bundle
from offchain.agents.bundle_files import pack_files
from offchain.agents.delivery_keys import DeliveryKeys, own_purpose
from offchain.agents.delivery_ports import BundleFiles
from offchain.agents.linter import lint
from offchain.agents.manifest import parse_manifest
from offchain.agents.onchain_nft import AgentNFTClient, IntelligentData, Minted, Roots
from offchain.agents.oracle_ports import DataEntry
from offchain.agents.recrypt import Engines
from offchain.agents.seal import SealContext, is_ephemeral, seal
from offchain.chain.model import Receipt, TypedCall
from offchain.core.errors import InvalidInput
from offchain.core.hashing import keccak

MAX_DESCRIPTION: Final = 31
MAX_ROYALTY_BPS: Final = 1_000
MAX_THRESHOLD: Final = 5
Send = Callable[[TypedCall, str], Receipt]


@dataclass(frozen=True, slots=True)
class Made:
    """A bundle that is ready for the chain."""

    entry: DataEntry
    sealed_key: bytes
    length: int
    file: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class MintWish:
    """What is minted. `again`: names one of several tokens of one content."""

    description: str
    threshold: int = 3
    royalty_bps: int = 0
    again: int = 0


@dataclass(frozen=True, slots=True)
class Mint:
    """Makes and updates tokens of one wallet."""

    nft: AgentNFTClient
    keys: DeliveryKeys
    owner: bytes
    files: BundleFiles
    engines: Engines
    send: Send

    async def mint(self, content: Mapping[str, bytes], wish: MintWish) -> int:
        """The new token's id. Raises: BundleHoldsSecret, BundleMalformed, InvalidInput."""
        _require(wish)
        made = await self.make(content, again=wish.again)
        call = self.nft.mint(
            self.owner,
            [IntelligentData(wish.description, made.entry.data_hash)],
            [roots_of(made.entry)],
            [made.sealed_key],
            wish.threshold,
            wish.royalty_bps,
        )
        key = f"agent.mint:{made.entry.data_hash.hex()}"
        receipt = await asyncio.to_thread(self.send, call, key)
        [minted] = self.nft.events_in(Minted, receipt.logs)
        return minted.token

    async def make(self, content: Mapping[str, bytes], *, again: int = 0) -> Made:
        """Encrypt, store, seal: what `mint` and `update` take; the same whenever it is repeated."""
        lint(content)
        parse_manifest(content)
        data = pack_files(content)
        bundle, key = await asyncio.to_thread(self._encrypt, data, again)
        data_hash = await asyncio.to_thread(self.engines.root_of, bundle.file)
        location = await self.files.put(bundle.file, data_hash, name=f"own-{data_hash.hex()[:32]}")
        roots = bundle.roots
        entry = DataEntry(data_hash, roots.content_root, roots.key_root, roots.key_commit, location)
        return Made(entry, self._sealed(key, data_hash), len(data), bundle.file)

    def key_of(self, data: bytes, again: int = 0) -> bytes:
        """The data key under which this wallet mints or updates with this content."""
        return keccak(b"data key", self._seed(data, again))

    def _seed(self, data: bytes, again: int) -> bytes:
        return self.keys.secret(keccak(b"bundle", again.to_bytes(32, "big"), keccak(data)))

    def _encrypt(self, data: bytes, again: int) -> tuple[Bundle, bytes]:
        seed, key = self._seed(data, again), self.key_of(data, again)
        salts = hashlib.shake_256(b"salts" + seed)

        def draw(size: int) -> bytes:
            return salts.digest(size)

        bundle = encrypt_bundle(data, key=key, draw=draw, hash_many=self.engines.hash_many)
        return bundle, key

    def _sealed(self, key: bytes, data_hash: bytes) -> bytes:
        context = SealContext(self.keys.chain_id, self.keys.collection, 0, 0, self.owner, data_hash)
        public = self.keys.public(own_purpose(data_hash))
        return seal(key, public, context, scalar=_scalar(key, data_hash))


def roots_of(entry: DataEntry) -> Roots:
    """As the contract takes them."""
    return Roots(entry.content_root, entry.key_root, entry.key_commit, entry.location)


def _scalar(key: bytes, data_hash: bytes) -> bytes:
    """E of a seal: the same when it is made again, and of no other file."""
    drawn = (keccak(b"scalar", key, data_hash, bytes([index])) for index in range(256))
    return next(one for one in drawn if is_ephemeral(one))


def _require(wish: MintWish) -> None:
    said = wish.description
    if not (0 < len(said) <= MAX_DESCRIPTION and said.isascii() and said.isprintable()):
        raise InvalidInput("a description is 1 to 31 printable ASCII bytes", characters=len(said))
    if not 1 <= wish.threshold <= MAX_THRESHOLD:
        raise InvalidInput("1 to 5 oracles sign", threshold=wish.threshold)
    if not 0 <= wish.royalty_bps <= MAX_ROYALTY_BPS:
        raise InvalidInput("a royalty is at most 10 %", bps=wish.royalty_bps)
