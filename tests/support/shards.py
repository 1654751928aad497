"""Shards of a small matrix, and ways to spoil what keeps them."""

from offchain.core.matrix.encode import EncodedBlob
from offchain.storage.frames import run_of
from offchain.storage.medium import Medium
from offchain.storage.ports import Shard, ShardKey
from offchain.storage.shard_file import name_of


def a_shard(blob: EncodedBlob, number: int = 3, rows: int = 64) -> Shard:
    """Shard `number` of an encoded matrix."""
    key = ShardKey(blob.header.data_root, number, rows)
    return Shard(key, blob.header, run_of(blob, range(key.first, key.first + rows)))


def content_of(medium: Medium, key: ShardKey) -> bytes:
    """The whole file of a shard."""
    name = name_of(key)
    return medium.read(name, 0, medium.sizes()[name])


def spoil(medium: Medium, key: ShardKey, content: bytes) -> None:
    """Put other bytes where a shard lies, behind its store's back."""
    medium.remove(name_of(key))
    medium.write(name_of(key), [content])
