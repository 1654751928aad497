"""Streams on the real contracts: created, granted, written inline, replayed, reorganised."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.storage.kv.adapters.chain_log import ChainLog, InlineSink
from offchain.storage.kv.adapters.memory_store import MemoryStore
from offchain.storage.kv.batch_frame import encode_batch
from offchain.storage.kv.cells import Space
from offchain.storage.kv.errors import PayloadUnavailable
from offchain.storage.kv.follow import Replica, ReplicaParts
from offchain.storage.kv.op import (
    AccountKey,
    Mode,
    Op,
    domain_separator,
    sign_op,
)
from offchain.storage.kv.proof import stream_id
from offchain.storage.kv.roles import Role
from offchain.storage.onchain_log import KVStreamsClient, StorageLogClient
from offchain.storage.stream_book import Grant
from tests.support.da_chain import DaChain, deploy_chain
from tests.support.kv import session

SALT = b"\x01" * 32


class NoPayloads:
    """Nothing lies in data availability here."""

    def payload(self, blob_id: bytes) -> bytes | None:
        raise PayloadUnavailable(blob_id=blob_id.hex())


class Site:
    """One chain with a stream of its first account."""

    def __init__(self, chain: DaChain) -> None:
        self.chain = chain
        self.log = StorageLogClient(chain.deployments, chain.node)
        self.streams = KVStreamsClient(chain.deployments, chain.node)
        signer = chain.signers[0]
        self.key = AccountKey(bytes(signer.address), signer)
        chain_id = chain.deployments.chain_id
        self.domain = domain_separator(chain_id, bytes(self.streams.address))
        self.stream = stream_id(chain_id, self.key.signer, SALT)
        self.sender = chain.senders[0]
        self.sink = InlineSink(self.log, self.sender)

    def replica(self, *, finality: int = 0) -> Replica:
        source = ChainLog(
            self.chain.node,
            self.log,
            first_block=self.chain.deployments.first_block(),
            finality=finality,
        )
        replica = Replica(ReplicaParts(MemoryStore(), source, NoPayloads(), self.domain))
        replica.follow(self.stream)
        return replica

    def signed(self, nonce: int, value: bytes, key=None) -> bytes:
        key = key or self.key
        op = Op(Mode.PUT, self.stream, 1, b"k", value, nonce, key.signer)
        return sign_op(op, key, self.domain).to_bytes()


def _value(replica: Replica, stream: bytes) -> bytes | None:
    with replica.moment() as moment:
        cell = moment.stream(stream).cell(Space.USER, b"k")
    return None if cell is None else cell.value


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("kv-chain")
    chain = deploy_chain(folder, ["http://127.0.0.1:1"])
    made = Site(chain)
    made.sender.execute(made.streams.create(SALT), key="create")
    yield made
    chain.close()


def test_chain_log__stream_written_inline__is_replayed_with_its_rights(site: Site) -> None:
    phone = session("phone")
    replica = site.replica()
    at = site.chain.node.block().hash
    assert site.streams.stream_id(site.key.signer, SALT, at=at) == site.stream

    first = site.sink.append("one", [site.stream], encode_batch([site.signed(1, b"1")]))
    grant = Grant(Role.KEY_WRITER, phone.subject, b"k")
    site.sender.execute(site.streams.grant(site.stream, grant), key="grant")
    second = site.sink.append(
        "two", [site.stream], encode_batch([site.signed(1, b"2", phone), site.signed(1, b"late")])
    )
    again = site.sink.append("one", [site.stream], encode_batch([site.signed(1, b"1")]))
    replica.advance()

    assert _value(replica, site.stream) == b"2"
    assert again == first < second
    assert replica.position().applied == site.log.size(at=site.chain.node.block().hash)


def test_chain_log__read_in_pieces__is_the_same_log(site: Site) -> None:
    source = ChainLog(
        site.chain.node,
        site.log,
        first_block=site.chain.deployments.first_block(),
        finality=0,
    )
    head = source.head()

    whole = list(source.entries(0, head.size))
    pieces = [entry for seq in range(head.size) for entry in source.entries(seq, 1)]

    assert [entry.seq for entry in whole] == list(range(head.size))
    assert pieces == whole
    assert head.final == head.size


def test_inv_kv_12__reorganisation_of_the_chain__changes_the_overlay_only(site: Site) -> None:
    replica = site.replica(finality=50)
    replica.advance()
    before = _value(replica, site.stream)
    mark = site.chain.ask("evm_snapshot")
    late = session("nobody")
    site.chain.mine()
    batch = encode_batch([site.signed(9, b"gone"), site.signed(1, b"x", late)])
    site.sink.append("lost", [site.stream], batch)
    replica.advance()
    assert _value(replica, site.stream) == b"gone"
    base = replica.position().final

    assert site.chain.ask("evm_revert", mark)
    site.chain.mine()
    replica.advance()

    assert _value(replica, site.stream) == before
    assert replica.position().final == base


def test_inline_sink__batch_too_long_without_a_publisher__is_unavailable(site: Site) -> None:
    with pytest.raises(PayloadUnavailable):
        site.sink.append("long", [site.stream], bytes(4_097))
