"""A small storage network in memory: a market, seats with real keys, a client that stores."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from offchain.core.bls import SecretKey
from offchain.core.erasure import ErasureEngine
from offchain.node.disk import Disk, LocalDisk
from offchain.storage.adapters.arrival import Arrival
from offchain.storage.adapters.disk_puts import DiskPuts
from offchain.storage.adapters.key_folder import KeyFolder
from offchain.storage.adapters.memory_market import MemoryMarket
from offchain.storage.adapters.memory_seats import MemorySeat, MemorySeats, Mood
from offchain.storage.client_ports import FileKeys, Paid, Quorum, StorageTill
from offchain.storage.deliver_shards import DeliveryRules
from offchain.storage.file_client import FileClient, FileClientParts
from offchain.storage.gather_units import GatherRules
from offchain.storage.get import GetFile, Got
from offchain.storage.model import GroupState, Profile, SeatState, profile_named
from offchain.storage.ports import GroupView, SeatClient, SeatView
from offchain.storage.put import PutFile
from offchain.storage.put_model import PutParts, PutProgress, PutRules, Wish
from offchain.storage.read_file import Label, ReadFile, ReadParts, ReadRules
from offchain.storage.read_range import ReadRange

OWNER = b"\x0a" * 20
FAST = DeliveryRules(tries=2, retry_seconds=0.01, grace_seconds=0.3, have_seconds=0.3)
RULES = PutRules(poll_seconds=0.001, again_seconds=0.02, delivery=FAST)


@dataclass(slots=True)
class StorageSite:
    """One group of one profile, its market and its nodes; `nodes` by operator."""

    market: MemoryMarket
    client: MemorySeats
    nodes: dict[int, MemorySeat]
    group: GroupView
    engine: ErasureEngine
    folder: Path
    random: random.Random

    @property
    def profile(self) -> Profile:
        return self.group.profile

    def wish(self, **changes: object) -> Wish:
        return replace(Wish(self.profile, 30), **changes)

    def journal(self, disk: Disk | None = None) -> DiskPuts:
        journal = DiskPuts(disk or LocalDisk(), self.folder / "puts")
        journal.open()
        return journal

    def putter(
        self,
        *,
        till: StorageTill | None = None,
        client: SeatClient | None = None,
        disk: Disk | None = None,
        watch: Callable[[PutProgress], None] = lambda _: None,
        rules: PutRules = RULES,
    ) -> PutFile:
        parts = PutParts(
            ledger=self.market,
            till=till or self.market,
            client=client or self.client,
            journal=self.journal(disk),
            engine=self.engine,
            randomness=self.random.randbytes,
        )
        return PutFile(parts, rules, watch)

    def set_moods(self, mood: Mood, *operators: int) -> None:
        for operator in operators:
            self.nodes[operator].mood = mood

    def operators_of(self, *seats: int) -> list[int]:
        return [self.group.seats[seat].operator for seat in seats]


def a_storage_site(
    engine: ErasureEngine, folder: Path, *, profile: str = "durable", operators: int | None = None
) -> StorageSite:
    """A site with one open group whose seats are dealt to `operators`, one each unless fewer."""
    shape = profile_named(profile)
    count = operators or shape.seats
    nodes = {
        number: MemorySeat(number, SecretKey.from_seed(bytes([number]) * 32))
        for number in range(1, count + 1)
    }
    seats = tuple(
        SeatView(
            seat=seat,
            operator=seat % count + 1,
            state=SeatState.DRAWN,
            endpoint=f"http://seat-{seat % count + 1}",
            key=nodes[seat % count + 1].key.public_key(),
        )
        for seat in range(shape.seats)
    )
    group = GroupView(65_537, shape, GroupState.OPEN, seats)
    market = MemoryMarket([group], owner=OWNER)
    by_endpoint = {f"http://seat-{number}": node for number, node in nodes.items()}
    client = MemorySeats(market, by_endpoint, engine)
    return StorageSite(market, client, nodes, group, engine, folder, random.Random(7))


class Killed(BaseException):
    """The process was killed here; nothing of it runs on."""


@dataclass(slots=True)
class DyingTill:
    """A till whose process is killed at one of its steps, before or after the effect."""

    inner: StorageTill
    step: str
    is_after: bool

    def __getattr__(self, name: str) -> object:
        method = getattr(self.inner, name)
        if name != self.step:
            return method

        def dying(*arguments: object, **named: object) -> Paid | Quorum:
            if self.is_after:
                method(*arguments, **named)
            raise Killed(name)

        return dying


@dataclass(slots=True)
class DyingSeats:
    """A client whose process is killed after so many shards have arrived."""

    inner: SeatClient
    shards: int

    def __getattr__(self, name: str) -> object:
        method = getattr(self.inner, name)
        if name != "put_shard":
            return method

        async def dying(*arguments: object, **named: object) -> None:
            self.shards -= 1
            if self.shards < 0:
                raise Killed(name)
            await method(*arguments, **named)

        return dying


class KeptKeys:
    """A `FileKeys` in memory."""

    def __init__(self, *reading: bytes) -> None:
        self.keys: dict[bytes, bytes] = {}
        self._reading = list(reading)

    def keep(self, key_id: bytes, key: bytes) -> None:
        self.keys[key_id] = key

    def find(self, key_id: bytes) -> bytes | None:
        return self.keys.get(key_id)

    def reading_secrets(self) -> list[bytes]:
        return self._reading


def a_getter(site: StorageSite, keys: FileKeys | None = None) -> GetFile:
    """A reader of the site's files."""
    gather = GatherRules(hedge_seconds=0.3, request_seconds=2.0, pause_seconds=0.001)
    rules = ReadRules(table_seconds=0.5, gather=gather)
    parts = ReadParts(site.market, site.market, site.client, site.engine)
    reader = ReadFile(parts, rules)
    ranges = ReadRange(reader, site.client, site.engine, request_seconds=0.5)
    return GetFile(reader, ranges, keys or KeptKeys())


def fetch(
    site: StorageSite,
    reference: bytes,
    target: Path,
    *,
    keys: FileKeys | None = None,
    label: Label = Label.CONSISTENT,
    is_raw: bool = False,
) -> Got:
    """Fetch to a path."""

    def arrive(file_id: bytes, length: int) -> Arrival:
        return Arrival(target, file_id, length=length, is_raw=is_raw)

    getter = a_getter(site, keys)
    return asyncio.run(getter.land(reference, arrive, label=label, is_raw=is_raw))


def a_file_client(
    site: StorageSite, *, client: SeatClient | None = None, rules: PutRules = RULES
) -> FileClient:
    """A user's client on this site, as a new process opens it; its keys are in `keys`."""
    seats = client or site.client
    put = PutParts(
        ledger=site.market,
        till=site.market,
        client=seats,
        journal=site.journal(),
        engine=site.engine,
        randomness=site.random.randbytes,
    )
    gather = GatherRules(hedge_seconds=0.3, request_seconds=2.0, pause_seconds=0.001)
    parts = FileClientParts(
        read=ReadParts(site.market, site.market, seats, site.engine),
        keys=KeyFolder(site.folder / "keys"),
        randomness=site.random.randbytes,
        put=put,
        terms=site.market,
        put_rules=rules,
        read_rules=ReadRules(table_seconds=0.5, gather=gather),
    )
    return FileClient(parts)
