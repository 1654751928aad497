"""An agent's memory: a key-value stream whose entries only the owners of their epoch can read.

  entry   "AM1" | u8 0 | key id 8 | u64 epoch | nonce 12 | AES-256-GCM(text)
          aad = stream 32 | key in the stream | everything before the nonce
  key in the stream   "m/" and 16 bytes of keccak(name key | name), so names are hidden too
  key of an epoch     of the bundle for the epoch of mint; later HKDF-SHA-256(k of the epoch's
                      bundle), which nobody has who owned the agent before

A name's entry is written under the newest key; the entry of a former epoch is read with the keys
that the manifest holds. The nonce is drawn from the act, so an act that is repeated after a crash
writes the same bytes. Source: docs/protocol/agents.md#memory.
"""

import asyncio
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from offchain.agents.manifest import KEY_BYTES, Manifest, MemoryKey
from offchain.agents.runtime_errors import MemoryClosed, MemoryForged
from offchain.core.hashing import keccak
from offchain.storage.kv.answer import Label
from offchain.storage.kv.promise import SoftAck

MAGIC: Final = b"AM1\x00"
_HEAD: Final = struct.Struct(">4s8sQ")
_NONCE_BYTES: Final = 12
LOOKS: Final = 600
LOOK_SECONDS: Final = 0.1


class Stream(Protocol):
    """A stream with its proofs, as offchain/sdk/kv.py has it."""

    async def get(self, key: bytes, *, label: Label = ...) -> bytes | None:
        """LOGGED values carry a proof that was checked."""
        ...

    async def put(self, key: bytes, value: bytes) -> SoftAck | None: ...


@dataclass(frozen=True, slots=True)
class Keys:
    """What an opener of the bundle can write and read with."""

    writing: MemoryKey
    reading: tuple[MemoryKey, ...]
    naming: MemoryKey  # the same in every epoch, so that names stay where they are


def keys_of(manifest: Manifest, *, data_key: bytes, epoch: int) -> Keys:
    """The keys of an epoch for who holds this epoch's bundle key."""
    known = manifest.memory_keys
    of_epoch = [one for one in known if one.epoch == epoch]
    writing = of_epoch[0] if of_epoch else MemoryKey(epoch, _derived(data_key, epoch))
    return Keys(writing, (writing, *known), known[0])


class Memory:
    """Names and texts of one agent."""

    def __init__(
        self,
        stream: Stream,
        stream_id: bytes,
        keys: Keys,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._stream = stream
        self._id = stream_id
        self._keys = keys
        self._sleep = sleep
        self._name_key = keccak(b"apogee/memory names", keys.naming.key)

    async def remember(self, name: str, text: str, act: bytes) -> bytes:
        """Write; returns what was written. The same act again writes the same bytes."""
        where = self.key_of(name)
        sealed = self.sealed(name, text, act)
        if await self._stream.get(where) != sealed:
            await self._stream.put(where, sealed)
        return sealed

    async def recall(self, name: str) -> str | None:
        """The text under a name, proven; None when nothing was remembered.

        Raises: MemoryClosed, MemoryForged, ProofWrong.
        """
        where = self.key_of(name)
        found = await self._stream.get(where, label=Label.LOGGED)
        return None if found is None else self._open(where, found)

    async def settle(self, written: Sequence[tuple[str, bytes]]) -> list[str]:
        """Wait until entries are in the log with a proof; names of those that are not yet."""
        open_ones = dict(written)
        for _ in range(LOOKS):
            for name, sealed in list(open_ones.items()):
                where = self.key_of(name)
                if await self._stream.get(where, label=Label.LOGGED) == sealed:
                    del open_ones[name]
            if not open_ones:
                break
            await self._sleep(LOOK_SECONDS)
        return sorted(open_ones)

    def key_of(self, name: str) -> bytes:
        """Where a name is in the stream."""
        return b"m/" + keccak(self._name_key, name.encode())[:16]

    def sealed(self, name: str, text: str, act: bytes) -> bytes:
        """The entry that an act writes, always the same."""
        where, key = self.key_of(name), self._keys.writing
        head = _HEAD.pack(MAGIC, key.id, key.epoch)
        nonce = keccak(key.key, act, where, text.encode())[:_NONCE_BYTES]
        sealed = AESGCM(key.key).encrypt(nonce, text.encode(), self._id + where + head)
        return head + nonce + sealed

    def _open(self, where: bytes, raw: bytes) -> str:
        if len(raw) < _HEAD.size + _NONCE_BYTES + 16 or raw[:4] != MAGIC:
            raise MemoryForged(reason="form")
        _, key_id, epoch = _HEAD.unpack_from(raw)
        key = next((one for one in self._keys.reading if one.id == key_id), None)
        if key is None or key.epoch != epoch:
            raise MemoryClosed(epoch=epoch)
        head, rest = raw[: _HEAD.size], raw[_HEAD.size :]
        nonce, sealed = rest[:_NONCE_BYTES], rest[_NONCE_BYTES:]
        try:
            return AESGCM(key.key).decrypt(nonce, sealed, self._id + where + head).decode()
        except (InvalidTag, UnicodeDecodeError) as error:
            raise MemoryForged(epoch=epoch) from error


def _derived(data_key: bytes, epoch: int) -> bytes:
    info = b"apogee/agent memory" + epoch.to_bytes(8, "big")
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=info).derive(data_key)


class MemoryStream:
    """A `Stream` without a network: for tests and to try an agent."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}
        self.writes = 0

    async def get(self, key: bytes, *, label: Label = Label.HOT) -> bytes | None:
        del label
        return self.entries.get(key)

    async def put(self, key: bytes, value: bytes) -> SoftAck | None:
        self.entries[key] = value
        self.writes += 1
        return None
