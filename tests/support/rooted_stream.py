"""A stream beside a replica group whose seats sign its roots, on the real contracts."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import boa

from offchain.core.hashing import keccak
from offchain.storage.false_root import root_digest
from offchain.storage.kv.proof import StreamRoot
from offchain.storage.stream_book import streams_domain
from tests.support.da import raw
from tests.support.kv_streams import root_tuple
from tests.support.staking import EPOCH, a_wallet
from tests.support.storage_log import LogSite, deploy_log
from tests.support.storage_seats import SeatSite, deploy_seats, open_group, signed

SALT = bytes(31) + b"\7"


@dataclass(frozen=True, slots=True)
class Rooted:
    """A stream, a replica group and, beside them, a group of another profile."""

    site: LogSite
    seats: SeatSite
    group: int
    other_group: int
    stream: bytes
    owner: str

    @property
    def epoch(self) -> int:
        return int(self.site.da.stake.current_epoch())

    def root(self, **changes: Any) -> StreamRoot:
        return replace(StreamRoot(self.stream, 0, 1, keccak(b"tree"), 2, 700), **changes)

    def post(
        self,
        root: StreamRoot,
        *,
        absent: tuple[int, ...] = (),
        group: int | None = None,
        epoch: int | None = None,
        digest: bytes | None = None,
        keys: bytes | None = None,
    ) -> None:
        named = self.group if group is None else group
        stood = self.epoch if epoch is None else epoch
        stated = self.digest(root, named, stood) if digest is None else digest
        bitmap, signature, absent_keys = signed(self.seats, self.group, stated, absent=absent)
        self.site.kv.post_root(
            root_tuple(root),
            named,
            stood,
            bitmap,
            absent_keys if keys is None else keys,
            signature,
            sender=a_wallet("relayer"),
        )

    def digest(self, root: StreamRoot, group: int, epoch: int | None = None) -> bytes:
        return root_digest(self.domain(), root, group, self.epoch if epoch is None else epoch)

    def domain(self) -> bytes:
        return streams_domain(chain_id=self.site.chain_id, streams=raw(self.site.kv.address))

    def picture(self) -> tuple[Any, ...]:
        kv = self.site.kv
        posts = [
            (kv.root_of(self.stream, seq), tuple(kv.post_of(self.stream, seq))) for seq in range(4)
        ]
        return tuple(kv.stream(self.stream)), posts

    @contextmanager
    def refused(self, reason: str) -> Iterator[None]:
        """The call inside reverts with exactly this reason and moves nothing."""
        before = self.picture()
        with boa.reverts(reason):
            yield
        assert before == self.picture()


def deploy_rooted(*, court: str | None = None) -> Rooted:
    """In the second epoch; nothing is posted. `court=""` leaves the court unwired."""
    with boa.env.prank(boa.env.generate_address("deployer")):
        seats = deploy_seats(court=court)
        site = deploy_log(seats=seats.seats)
    boa.env.time_travel(seconds=EPOCH)
    replicas, others = open_group(seats, "replica"), open_group(seats, "local")
    owner = a_wallet("owner")
    stream = bytes(site.kv.create(SALT, sender=owner))
    return Rooted(site, seats, replicas, others, stream, owner)
