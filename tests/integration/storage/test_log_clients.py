"""The clients of the log and the streams against their contracts on a real EVM in this process."""

from dataclasses import replace
from pathlib import Path

import pytest

from offchain.core.hashing import keccak
from offchain.storage.false_root import root_digest
from offchain.storage.kv.entry import NO_BLOB, Batch
from offchain.storage.kv.op import Subject
from offchain.storage.kv.proof import Leaf, Proof, StreamRoot, stream_id
from offchain.storage.kv.roles import Action, Role
from offchain.storage.log_book import LogTree, Placed
from offchain.storage.log_entries import (
    EntryKind,
    Submission,
    parse_access,
    parse_batch,
    parse_submission,
    submission_digest,
    submission_domain,
)
from offchain.storage.model import submission_id
from offchain.storage.onchain_log import (
    KVStreamsClient,
    OwnerChanged,
    RootQuorum,
    StorageLogClient,
)
from offchain.storage.reverts_log import (
    BatchInvalid,
    BlobNotAvailable,
    EpochNotOver,
    FileUnknown,
    LogWired,
    NoRight,
    RootRefused,
    StreamExists,
    SubmissionInvalid,
)
from offchain.storage.stream_book import Grant, streams_domain
from tests.support.da_chain import DaChain, deploy_chain

SALT = bytes(31) + b"\5"
KEY = Subject.public_key(bytes(range(64)))
MAX_COST = 10**16


def test_log_and_streams__every_call_and_view__agree_with_the_models(tmp_path: Path) -> None:
    chain = deploy_chain(tmp_path, ["http://127.0.0.1:1"])
    try:
        log = StorageLogClient(chain.deployments, chain.node)
        kv = KVStreamsClient(chain.deployments, chain.node)
        first = int(chain.node.block().number) + 1
        files_enter_once(chain, log)
        batches_enter(chain, log)
        streams_change_hands(chain, log, kv)
        roots_need_replicas(chain, kv)
        entries_come_in_order_and_prove(chain, log, first)
    finally:
        chain.close()


def files_enter_once(chain: DaChain, log: StorageLogClient) -> None:
    owner, identity = chain.senders[0].account, chain.node.chain_id()
    submission = Submission(
        owner, 3, keccak(b"root"), 1, 1_000, 3, EntryKind.FILE, 10, MAX_COST, 2**63
    )
    expected = submission_id(
        chain_id=identity, log=log.address, owner=owner, root=submission.root, nonce=3
    )
    domain = submission_domain(chain_id=identity, log=log.address)
    at = chain.node.block().hash
    assert log.submission_id(owner, submission.root, 3, at=at) == expected
    assert log.domain_separator(at=at) == domain
    assert log.submission_digest(submission, at=at) == submission_digest(domain, submission)
    assert not log.is_known(expected, at=at)
    for view in (log.seq_of, log.submitted):
        with pytest.raises(FileUnknown):
            view(expected, at=at)

    run(chain, log.submit(submission, value_wei=MAX_COST + 9), "submit")
    mined = chain.node.block()
    run(chain, log.submit(submission, value_wei=5), "again")

    at = chain.node.block().hash
    assert (log.size(at=at), log.seq_of(expected, at=at)) == (1, 0)
    assert log.is_known(expected, at=at)
    where = log.submitted(expected, at=at)
    assert (where.block_number, where.time) == (mined.number, mined.timestamp)
    with pytest.raises(SubmissionInvalid):
        run(chain, log.submit(replace(submission, nonce=4, kind=2), value_wei=MAX_COST), "bad")


def batches_enter(chain: DaChain, log: StorageLogClient) -> None:
    run(chain, log.append_inline([keccak(b"s")], b"operations"), "inline")
    with pytest.raises(BatchInvalid):
        run(chain, log.append_inline([], b"operations"), "no streams")
    with pytest.raises(BlobNotAvailable):
        run(chain, log.append_batch([keccak(b"s")], keccak(b"no blob")), "no blob")
    with pytest.raises(LogWired):
        run(chain, log.wire(log.address, log.address), "wire")
    at = chain.node.block().hash
    assert any(log.market(at=at))
    assert any(log.streams(at=at))


def streams_change_hands(chain: DaChain, log: StorageLogClient, kv: KVStreamsClient) -> None:
    owner, buyer = chain.senders[0].account, chain.senders[1].account
    stream = stream_id(chain.node.chain_id(), owner, SALT)
    run(chain, kv.create(SALT), "create")
    with pytest.raises(StreamExists):
        run(chain, kv.create(SALT), "create again")
    run(chain, kv.grant(stream, Grant(Role.ADMIN, Subject.account(buyer))), "admin")
    assert kv.is_admin(stream, buyer, at=chain.node.block().hash)
    run(chain, kv.grant(stream, Grant(Role.KEY_WRITER, KEY, b"p", 7)), "grant", sender=1)
    run(chain, kv.revoke(stream, KEY), "revoke", sender=1)
    with pytest.raises(NoRight):
        run(chain, kv.transfer_owner(stream, buyer), "steal", sender=1)
    run(chain, kv.transfer_owner(stream, buyer), "sell")

    head = chain.node.block()
    assert kv.stream_id(owner, SALT, at=head.hash) == stream
    state = kv.stream(stream, at=head.hash)
    assert (state.owner, state.generation, state.head) == (buyer, 2, 0)
    assert not kv.is_admin(stream, buyer, at=head.hash)
    wanted = kv.event_filter(OwnerChanged, first_block=head.number, last_block=head.number)
    [sold] = kv.events_in(OwnerChanged, chain.node.logs(wanted))
    assert (sold.owner, sold.former, sold.generation) == (buyer, owner, 2)
    assert sold.seq == log.size(at=head.hash) - 1


def roots_need_replicas(chain: DaChain, kv: KVStreamsClient) -> None:
    at = chain.node.block().hash
    stream = stream_id(chain.node.chain_id(), chain.senders[0].account, SALT)
    leaf = Leaf(keccak(b"key"), 1, 1, keccak(b"value"))
    root = StreamRoot(stream, 0, 1, leaf.digest, 1, 8)
    domain = streams_domain(chain_id=chain.node.chain_id(), streams=kv.address)
    assert kv.domain_separator(at=at) == domain
    assert kv.root_digest(root, 7, 3, at=at) == root_digest(domain, root, 7, 3)
    assert not kv.verify(root, leaf, (), at=at)
    assert not kv.verify_absence(root, keccak(b"other"), Proof((), leaf), at=at)
    assert kv.root_of(stream, 0, at=at) == bytes(32)
    with pytest.raises(RootRefused):
        run(chain, kv.post_root(root, RootQuorum(7, 0, 0, b"", bytes(256))), "root")


def entries_come_in_order_and_prove(chain: DaChain, log: StorageLogClient, first: int) -> None:
    head = chain.node.block()
    entries = log.entries(first, head.number)

    assert [entry.seq for entry in entries] == list(range(log.size(at=head.hash)))
    assert [entry.kind for entry in entries[:3]] == [
        EntryKind.FILE,
        EntryKind.KV_BATCH,
        EntryKind.ACCESS,
    ]
    assert parse_submission(entries[0].data).nonce == 3
    assert parse_batch(entries[1].data) == Batch((keccak(b"s"),), NO_BLOB, b"operations")
    actions = [parse_access(entry.data).action for entry in entries[2:]]
    assert actions == [
        Action.CREATE,
        Action.GRANT,
        Action.GRANT,
        Action.REVOKE,
        Action.TRANSFER,
    ]
    tree = LogTree()
    for entry in entries:
        tree.append(entry.leaf)
    assert log.root(at=head.hash) == tree.root()
    for entry in entries:
        placed = Placed(entry.seq, entry.id, entry.kind, entry.entry_hash)
        path = tree.path(entry.seq)
        assert log.verify_entry(tree.root(), tree.size, placed, path, at=head.hash)
    with pytest.raises(EpochNotOver):
        log.root_at(2**40, at=head.hash)
    assert log.size_at(0, at=head.hash) == 0


def run(chain: DaChain, call: object, name: str, *, sender: int = 0) -> None:
    chain.senders[sender].execute(call, key=name)
