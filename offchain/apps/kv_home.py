"""A home's account, replica and ways into streams: what the commands of `apogee kv` work with."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial

from offchain.apps.da import network_of
from offchain.apps.home import Home, Manifest, storage_node_name
from offchain.apps.keystore import Keystore
from offchain.apps.network import SETTLED_DEPTH, address_of, open_sender
from offchain.apps.storage_client import ROLE, fund_client
from offchain.apps.stream_payloads import DaPayloads
from offchain.chain.due import execute_due
from offchain.chain.keys import LocalSigner
from offchain.chain.model import TypedCall
from offchain.core.erasure import ErasureEngine
from offchain.core.errors import InvalidInput
from offchain.node.leased_sender import LeasedSender
from offchain.sdk.kv import AsyncKv, KvParts
from offchain.sdk.open_kv import posted_trust
from offchain.storage.kv.adapters.chain_log import ChainLog
from offchain.storage.kv.adapters.http_client import HttpKvClient
from offchain.storage.kv.adapters.sqlite_store import SqliteStore
from offchain.storage.kv.answer import Label
from offchain.storage.kv.cells import ABSENT, ANY
from offchain.storage.kv.follow import Replica, ReplicaParts
from offchain.storage.kv.op import AccountKey, Subject, domain_separator


class StreamInvalid(InvalidInput):
    """A stream is named by 64 hex digits."""

    code = "kv.stream.invalid"
    next_step = "Pass what `apogee kv create` printed."


class SubjectInvalid(InvalidInput):
    """A writer is an address, or a P-256 key: 40 or 128 hex digits."""

    code = "kv.subject.invalid"
    next_step = "Pass an address, or the 64 bytes x || y of a P-256 key."


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command works, through which node, and how it answers."""

    home: Home
    rpc_url: str | None
    node: str | None
    as_json: bool


class Streams:
    """A home's account, replica and way into the log."""

    def __init__(self, place: Place) -> None:
        self.network = network_of(place.home, place.rpc_url)
        account = Keystore(place.home.keys).account(ROLE)
        fund_client(self.network, place.home, account)
        opening = partial(open_sender, self.network, place.home, ROLE, account)
        self.sender = LeasedSender(address_of(account), opening)
        signer = LocalSigner.from_secret(account.secret)
        self.key = AccountKey(bytes(signer.address), signer)
        self.domain = domain_separator(self.network.chain_id, bytes(self.network.streams.address))
        self._home = place.home
        self._folder = place.home.root / "kv"

    def send(self, call: TypedCall) -> None:
        execute_due(self.sender, call, key=f"kv:{secrets.token_hex(16)}")

    @contextmanager
    def replica(self, stream: bytes) -> Iterator[Replica]:
        """A replica that stands where the log does now."""
        network = self.network
        self._folder.mkdir(parents=True, exist_ok=True)
        store = SqliteStore(self._folder)
        try:
            log = ChainLog(
                network.node,
                network.log,
                first_block=network.deployments.first_block(),
                finality=SETTLED_DEPTH,
            )
            parts = ReplicaParts(store, log, DaPayloads(network, _engine), self.domain)
            replica = Replica(parts)
            replica.advance()
            replica.follow(stream)
            replica.advance()
            yield replica
        finally:
            store.close()

    @asynccontextmanager
    async def at_node(self, stream: bytes, node: str) -> AsyncIterator[AsyncKv]:
        """The stream through a node that is not trusted."""
        trust = posted_trust(self.network.streams, self.network.node)
        async with HttpKvClient(self._origin(node)) as client:
            yield AsyncKv(KvParts(client, self.domain, self.key, trust), stream)

    def _origin(self, node: str) -> str:
        """A URL as it is; a number is a storage node of this home."""
        if not node.isdecimal():
            return node
        return Manifest.load(self._home).url(storage_node_name(int(node)))


def parse_stream(text: str) -> bytes:
    """Raises: StreamInvalid."""
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError as error:
        raise StreamInvalid(stream=text[:80]) from error
    if len(raw) != 32:
        raise StreamInvalid(stream=text[:80])
    return raw


def parse_label(text: str) -> Label:
    """Raises: InvalidInput."""
    try:
        return Label(text)
    except ValueError as error:
        raise InvalidInput("a label is hot, logged or final", label=text[:40]) from error


def parse_subject(text: str) -> Subject:
    """Raises: SubjectInvalid."""
    makers: dict[int, Callable[[bytes], Subject]] = {20: Subject.account, 64: Subject.public_key}
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
        return makers[len(raw)](raw)
    except (ValueError, KeyError) as error:
        raise SubjectInvalid(subject=text[:140]) from error


def expected_version(text: str) -> int:
    """`absent`, or the number that `get --json` printed. Raises: InvalidInput."""
    if text == "absent":
        return ABSENT
    if not text.isdecimal() or not ANY < int(text) < ABSENT:
        raise InvalidInput("expected is `absent` or a version", expected=text[:40])
    return int(text)


def _engine() -> ErasureEngine:
    """Chosen when a batch has to be decoded, which takes a second."""
    from offchain.core.erasure.choose import choose_engine

    return choose_engine()
