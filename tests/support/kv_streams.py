"""Streams on the real log: grants and proofs as the contract takes them."""

from typing import Any

from offchain.chain.model import Address
from offchain.storage.kv.entry import AccessChange
from offchain.storage.kv.op import Subject
from offchain.storage.kv.proof import Leaf, StreamRoot
from offchain.storage.kv.roles import Role
from offchain.storage.log_entries import parse_access
from offchain.storage.stream_book import Grant
from tests.support.da import raw
from tests.support.storage_log import LogSite, logged

NO_LEAF = (bytes(32), 0, 0, bytes(32))


def account(address: str) -> Subject:
    """An account as a subject."""
    return Subject.account(Address(raw(address)))


def a_grant(subject: Subject, role: Role = Role.WRITER, **changes: Any) -> Grant:
    return Grant(role, subject, **changes)


def grant_tuple(grant: Grant) -> tuple[Any, ...]:
    return (
        int(grant.role),
        int(grant.subject.scheme),
        grant.subject.digest,
        grant.prefix,
        grant.quota,
        grant.expiry,
    )


def root_tuple(root: StreamRoot) -> tuple[Any, ...]:
    return (
        root.stream,
        root.seq,
        root.generation,
        root.tree_root,
        root.keys,
        root.byte_count,
    )


def leaf_tuple(leaf: Leaf | None) -> tuple[Any, ...]:
    """None: there is nothing."""
    if leaf is None:
        return NO_LEAF
    return leaf.key_hash, leaf.version, leaf.kind, leaf.value_hash


def written(site: LogSite) -> AccessChange:
    """What the one entry says that the last call of KVStreams made."""
    entry = logged(site, site.kv)
    change = parse_access(entry.data)
    assert entry.id == change.stream
    return change
