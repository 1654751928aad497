"""StorageProofs on the real ledger, beacon and court, over files and seats that tests describe."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import boa

from offchain.core.hashing import keccak
from offchain.core.matrix.encode import EncodedBlob
from offchain.storage.challenge_draw import (
    MAX_ATTEMPTS,
    Fallen,
    KeptFile,
    Place,
    chance_of,
    fall,
    fine_of,
    is_drawn,
    place_of,
)
from offchain.storage.model import (
    FileShape,
    Profile,
    Segment,
    file_root,
    kept_bytes,
    profile_named,
    segment_path,
)
from offchain.storage.onchain_proofs import SeatStanding
from offchain.storage.proof_book import Clock
from tests.support.da_encoding import frame_of, honest
from tests.support.staking import (
    COIN,
    CONTRACTS,
    DAY,
    EPOCH,
    STORAGE,
    AnOperator,
    StakingSite,
    a_member,
    a_wallet,
    deploy_staking,
    staking_deployer,
)

ANSWER = 36
EVIDENCE = 7 * DAY
MIN_BOND = COIN // 100
PRICE = 10**12  # wei per 2^30 byte-seconds: fines of test files are large enough to tell apart
STO_NO_PROOF, STO_DECLARED_LOSS = 8, 9
PROVEN, MISSED = 1, 2
FOREVER = 2**40
DURABLE = profile_named("durable")
GROUP = 7
SERVING, SUSPECT, VACANT = 2, 4, 8  # flags of IStorageSeats
KEPT_FILES = Path(__file__).with_name("kept_files.vy")


@dataclass(frozen=True, slots=True)
class AFile:
    """A file of one encoded segment in a group; `kept` is its place in what every seat keeps."""

    kept: KeptFile
    encoded: EncodedBlob
    profile: Profile
    segments: tuple[Segment, ...]

    @property
    def id(self) -> bytes:
        return self.kept.id

    @property
    def root(self) -> bytes:
        return file_root(self.segments)

    def shown(self, index: int = 0) -> tuple[int, bytes, bytes, bytes]:
        """A segment and its path, as the contract takes them."""
        one = self.segments[index]
        path = b"".join(segment_path(self.segments, index))
        return index, one.data_root, one.commitment_hash, path

    def frame(self, row: int, leaf: int) -> bytes:
        return frame_of(self.encoded, row, leaf)


@dataclass(frozen=True, slots=True)
class Proof:
    """What `prove` takes after epoch, group and seat."""

    skipped: tuple[bytes, ...]
    id: bytes
    data_root: bytes
    commitment_hash: bytes
    path: bytes
    frame: bytes

    def arguments(self) -> tuple[Any, ...]:
        return (
            list(self.skipped),
            self.id,
            self.data_root,
            self.commitment_hash,
            self.path,
            self.frame,
        )


@dataclass(frozen=True, slots=True)
class ProofsSite:
    staking: StakingSite
    court: Any
    beacon: Any
    files: Any
    proofs: Any
    treasury: str
    operators: tuple[AnOperator, ...]

    @property
    def stake(self) -> Any:
        return self.staking.stake

    @property
    def clock(self) -> Clock:
        return Clock(int(self.stake.epoch_start(0)), EPOCH, ANSWER)

    def epoch(self) -> int:
        return int(self.stake.current_epoch())

    def chance(self, epoch: int, seat: int, group: int = GROUP) -> bytes:
        return chance_of(bytes(self.beacon.randomness(epoch)), group, seat)

    def standing(self, seat: int, group: int = GROUP) -> SeatStanding:
        return SeatStanding(*self.proofs.standing(group, seat))

    def seat_state(self, seat: int, group: int = GROUP) -> int:
        return int(self.files.seat(group, seat)[2])

    def slashed(self, operator: AnOperator, epoch: int) -> int:
        return int(self.stake.slashed_at(operator.pool(STORAGE), epoch))


@cache
def storage_deployer(name: str) -> Any:
    return boa.load_partial(str(CONTRACTS / "storage" / f"{name}.vy"))


@cache
def files_deployer() -> Any:
    return boa.load_partial(str(KEPT_FILES))


def deploy_proofs(operators: int = 3) -> ProofsSite:
    """Deploy and wire all; each operator stakes 100 coin in STORAGE."""
    staking = deploy_staking(court="")
    treasury = a_wallet("treasury")
    stake = staking.stake.address
    court = staking_deployer("SlashingCourt").deploy(stake, staking.governance, treasury, 29 * DAY)
    staking.stake.wire_court(court.address, sender=staking.governance)
    beacon = staking_deployer("RandomBeacon").deploy(stake, staking.governance, 7 * DAY)
    files = files_deployer().deploy()
    proofs = storage_deployer("StorageProofs").deploy(
        files.address,
        files.address,
        stake,
        beacon.address,
        court.address,
        ANSWER,
        EVIDENCE,
        MIN_BOND,
    )
    for offence, kind in ((STO_NO_PROOF, MISSED), (STO_DECLARED_LOSS, PROVEN)):
        rule = (kind, STORAGE, 0, 500, 0, EVIDENCE, False, False, proofs.address)
        court.add_type(offence, rule, sender=staking.governance)
    members = tuple(a_member(staking, number, service=STORAGE) for number in range(operators))
    return ProofsSite(staking, court, beacon, files, proofs, treasury, members)


def a_file(
    number: int = 0,
    *,
    first_byte: int = 0,
    length: int = 1_000_000,
    end: int = FOREVER,
    absent: int = 0,
    profile: Profile = DURABLE,
) -> AFile:
    """A file of `length` honest bytes whose kept bytes begin at `first_byte`."""
    encoded = honest(length)
    kept = KeptFile(
        id=keccak(b"file", number.to_bytes(8, "big")),
        first_byte=first_byte,
        bytes=kept_bytes(profile, length),
        length=length,
        end=end,
        absent=absent,
    )
    return AFile(kept, encoded, profile, (Segment.of(0, encoded.header),))


def files_in_a_row(count: int, **changes: Any) -> list[AFile]:
    """Equal files, one behind the other."""
    size = kept_bytes(changes.get("profile", DURABLE), changes.get("length", 1_000_000))
    return [a_file(number, first_byte=number * size, **changes) for number in range(count)]


def store(site: ProofsSite, files: Sequence[AFile], *, group: int = GROUP) -> None:
    """Let the group keep these files from the present epoch's start on."""
    for file in files:
        site.files.set_duty(file.id, duty_of(file, group))
    last = files[-1].kept
    site.files.set_kept(group, site.epoch(), last.first_byte + last.bytes)


def with_end(file: AFile, end: int) -> AFile:
    return replace(file, kept=replace(file.kept, end=end))


def duty_of(file: AFile, group: int) -> tuple[Any, ...]:
    kept = file.kept
    return (
        file.root,
        group,
        kept.first_byte,
        kept.bytes,
        kept.length,
        len(file.segments),
        file.profile.number,
        0,
        kept.end,
        kept.absent,
    )


def kept_by(files: Sequence[AFile]) -> int:
    last = files[-1].kept
    return last.first_byte + last.bytes


def fallen(
    site: ProofsSite, files: Sequence[AFile], epoch: int, seat: int, *, tries: int = 1
) -> Fallen | None:
    """Where the model says that the challenge fell."""
    return fall(
        site.chance(epoch, seat),
        [file.kept for file in files],
        seat=seat,
        kept=kept_by(files),
        owed_until=site.clock.start_of(epoch) + ANSWER,
        tries=tries,
    )


def place(file: AFile, drawn: Fallen, seat: int) -> Place:
    return place_of(drawn.offset, file.kept.length, file.profile, seat)


def proof_of(
    site: ProofsSite, files: Sequence[AFile], epoch: int, seat: int, *, tries: int = MAX_ATTEMPTS
) -> Proof:
    """The right proof of a seat's challenge; the test's files must be owed."""
    drawn = fallen(site, files, epoch, seat, tries=tries)
    assert drawn is not None, "nothing owed was drawn"
    file = next(one for one in files if one.id == drawn.file.id)
    here = place(file, drawn, seat)
    _, data_root, commitment_hash, path = file.shown(here.segment)
    frame = file.frame(here.row, here.leaf)
    return Proof(drawn.skipped, file.id, data_root, commitment_hash, path, frame)


def prove(site: ProofsSite, proof: Proof, epoch: int, seat: int, *, who: str = "") -> None:
    site.proofs.prove(epoch, GROUP, seat, *proof.arguments(), sender=who or a_wallet("anybody"))


def default(
    site: ProofsSite,
    files: Sequence[AFile],
    epoch: int,
    seat: int,
    *,
    who: str = "",
    tries: int = 1,
) -> int:
    """Punish a miss, with what the model says that the challenge fell on."""
    drawn = fallen(site, files, epoch, seat, tries=tries)
    assert drawn is not None, "nothing owed was drawn"
    return int(
        site.proofs.default_(
            epoch,
            GROUP,
            seat,
            list(drawn.skipped),
            drawn.file.id,
            sender=who or a_wallet("reporter"),
        )
    )


def fine(files: Sequence[AFile], *, rate: int = 0, price: int = PRICE) -> int:
    """Wei for a first miss."""
    return fine_of(price, kept=kept_by(files), bytes_per_challenge=rate, epoch_seconds=EPOCH)


def drawn_seats(site: ProofsSite, epoch: int, kept: int, rate: int, seats: int = 32) -> list[int]:
    """The seats that the model says are challenged."""
    return [
        seat
        for seat in range(seats)
        if is_drawn(site.chance(epoch, seat), kept=kept, bytes_per_challenge=rate)
    ]


def to_epoch(site: ProofsSite, epoch: int, *, offset: int = 0) -> None:
    """Travel to a second of an epoch."""
    target = site.clock.start_of(epoch) + offset
    boa.env.time_travel(seconds=target - boa.env.timestamp)


def columns_of(shape: FileShape, index: int) -> int:
    return -(-shape.length_of(index) // 253_952) * 8
