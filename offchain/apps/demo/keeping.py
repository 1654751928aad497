"""The demo's acts of storage: a directory kept by 32 seats, half of them killed, repaired, proven.

Then one seat too many of a second file: its reader is told so loudly, and its owner gets back what
was not served. Nothing here is a path of its own: the client, the nodes' chores and the worker's
jobs do what they do under `apogee up`.
"""

import asyncio
import hashlib
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from offchain.apps.demo.epochs import enter_served_epoch
from offchain.apps.demo.report import Step, Story
from offchain.apps.demo.waiting import wait_until
from offchain.apps.devnet_time import travel_to
from offchain.apps.home import storage_node_name
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network, address_of, open_sender
from offchain.apps.operators import Enrolment, node_role
from offchain.apps.storage_chores import storage_ledger
from offchain.apps.storage_client import ROLE, Opened, open_files
from offchain.apps.storage_jobs import WORKER_ROLE, storage_jobs
from offchain.apps.system import System
from offchain.core.errors import ApogeeError
from offchain.jobs.model import JobKind, Outcome
from offchain.storage.adapters.arrival import Arrival
from offchain.storage.client_ports import Paid
from offchain.storage.file_client import PutOptions
from offchain.storage.model import FileState, profile_named
from offchain.storage.onchain_market import FileEnded
from offchain.storage.onchain_proofs import Defaulted, DrawnSeat
from offchain.storage.ports import GroupView
from offchain.storage.put_model import Stored
from offchain.storage.read_file import Label

KILLED_NODES: Final = 4  # of eight: 16 of 32 seats, as many as the profile survives
TERM_EPOCHS: Final = 60
DIRECTORY_BYTES: Final = 6_000_000
SECOND_BYTES: Final = 300_000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeptFigures:
    """What the acts have to show."""

    stored_bytes: int
    seats_killed: int
    read_with_half_gone: bool
    shards_repaired: int
    proofs: int
    renewed_epochs: int
    loud_failure: str
    fined_wei: int
    refund_wei: int

    @property
    def is_good(self) -> bool:
        return self.read_with_half_gone and bool(self.loud_failure) and self.refund_wei > 0

    def as_json(self) -> dict[str, object]:
        return {
            "stored_bytes": self.stored_bytes,
            "seats_killed": self.seats_killed,
            "read_with_half_of_the_seats_gone": self.read_with_half_gone,
            "seats_repaired": self.shards_repaired,
            "storage_proofs": self.proofs,
            "renewed_epochs": self.renewed_epochs,
            "loud_failure": self.loud_failure,
            "storage_fined_wei": self.fined_wei,
            "storage_refund_wei": self.refund_wei,
        }


@dataclass(slots=True)
class KeepActs:
    """The acts, in order; each tells its step."""

    system: System
    network: Network
    story: Story

    def play(self, source: Path) -> KeptFigures:
        """All of them. Raises: NotInTime and whatever the network refuses."""
        home = self.system.home.root
        folder = self._directory(source, home / "directory")
        stored = self._store(folder, "durable", "store a directory")
        group = stored.view.file.group
        first = self._prove(group, "prove")
        killed = self._kill(range(KILLED_NODES))
        same = self._read_back(stored, folder, home / "directory-read")
        repaired = self._repair(stored, killed)
        again = self._prove(group, "prove again")
        renewed = self._renew(stored)
        failure, fined, refund = self._one_seat_too_many(home / "second")
        return KeptFigures(
            stored_bytes=stored.view.file.shape.length,
            seats_killed=sum(len(seats) for seats in killed.values()),
            read_with_half_gone=same,
            shards_repaired=repaired,
            proofs=first + again,
            renewed_epochs=renewed,
            loud_failure=failure,
            fined_wei=fined,
            refund_wei=refund,
        )

    def _directory(self, source: Path, folder: Path) -> Path:
        """A real directory: source files of this machine's standard library, some megabytes."""
        size = 0
        for path in sorted(source.rglob("*.py")):
            if size >= DIRECTORY_BYTES or "site-packages" in path.parts:
                break
            target = folder / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            size += path.stat().st_size
        return folder

    def _store(self, path: Path, profile: str, name: str) -> Stored:
        with self.story.step(name) as step:
            options = PutOptions(profile_named(profile), TERM_EPOCHS)

            async def put(opened: Opened) -> Stored:
                return await opened.files.put_path(path, options)

            stored = self._with_files(put)
            file = stored.view.file
            step.size_bytes = file.shape.length
            if stored.confirmed:
                _note(step, stored.confirmed)
            signed = file.profile.seats - len(stored.absent)
            step.detail = f"sealed, {signed}/{file.profile.seats} seats signed, group {file.group}"
        return stored

    def _prove(self, group: int, name: str) -> int:
        """Enter the next epoch; every seat shows the leaf that the beacon asks it for."""
        epoch = enter_served_epoch(self.system, self.network)
        with self.story.step(name) as step:
            seats = len(self._group(group).seats)
            wait_until("proofs", lambda: len(self._proven(group, epoch)) == seats)
            step.detail = f"{seats} of {seats} seats showed their leaf of epoch {epoch}"
        return seats

    def _kill(self, nodes: range) -> dict[int, list[int]]:
        """SIGKILL storage nodes and take their disks; the seats of each."""
        group = self.network.market.listed_groups(
            profile_named("durable").number, at=self.network.node.block().hash
        )[0]
        view = self._group(group)
        with self.story.step("kill half of the seats") as step:
            killed = {}
            for index in nodes:
                operator = self._operator(index)
                killed[index] = [one.seat for one in view.seats if one.operator == operator]
                self.system.supervisor.kill(storage_node_name(index))
                shutil.rmtree(self.system.home.storage_node(index))
            count = sum(map(len, killed.values()))
            step.detail = f"{count} of {len(view.seats)} seats: SIGKILL, disks wiped"
        return killed

    def _read_back(self, stored: Stored, folder: Path, into: Path) -> bool:
        with self.story.step("read with half gone") as step:
            step.size_bytes = stored.view.file.shape.length
            self._with_files(lambda opened: _get(opened, stored.view.file.file_id, into))
            same = _digest(folder) == _digest(into)
            step.detail = "equal byte for byte" if same else "DIFFERENT"
        return same

    def _repair(self, stored: Stored, killed: dict[int, list[int]]) -> int:
        """The nodes come back with empty disks; they make every shard again from the others."""
        names = [storage_node_name(index) for index in killed]
        with self.story.step("repair") as step:
            for index in killed:
                self.system.launch_storage_node(index)
            self.system.supervisor.wait_healthy(names)
            seats = {seat for each in killed.values() for seat in each}
            wait_until("repair", lambda: seats <= self._whole(stored))
            step.size_bytes = stored.view.file.shape.length
            step.detail = f"{len(seats)} seats made again from the other {len(seats)}"
        return len(seats)

    def _renew(self, stored: Stored) -> int:
        file = stored.view.file
        with self.story.step("renew") as step:
            paid = self._with_files(lambda opened: opened.files.renew(file.file_id, TERM_EPOCHS))
            _note(step, paid)
            end = self.network.market.file(file.file_id, at=self.network.node.block().hash).end
            step.detail = f"{TERM_EPOCHS} epochs more, the term ends {end - file.expiry} s later"
        return TERM_EPOCHS

    def _one_seat_too_many(self, path: Path) -> tuple[str, int, int]:
        """Two of three seats die: the reader is told, the silent pay, the owner is paid back."""
        path.write_bytes(hashlib.shake_256(b"second file").digest(SECOND_BYTES))
        stored = self._store(path, "local", "store a second file")
        file = stored.view.file
        seats = self._group(file.group).seats
        dead = {one.operator: one.seat for one in seats[:2]}
        with self.story.step("kill one seat too many") as step:
            for index in range(self.system.manifest.nodes):
                if self._operator(index) in dead:
                    self.system.supervisor.kill(storage_node_name(index))
            step.detail = "2 of 3 seats; any 2 rebuild the file"
        failure = self._fail_loudly(file.file_id, path.with_name("second-read"))
        fined = self._punish(file.group, set(dead.values()))
        return failure, fined, self._refund(file.file_id)

    def _fail_loudly(self, file_id: bytes, into: Path) -> str:
        with self.story.step("read it") as step:
            try:
                self._with_files(lambda opened: _get(opened, file_id, into))
            except ApogeeError as error:
                step.detail = f"refused, as it must be: {error.code}"
                return error.code
            step.detail = "READ, though it must not be possible"
        return ""

    def _punish(self, group: int, dead: set[int]) -> int:
        """Their challenges go unanswered; whoever says so to the contract has them fined."""
        network = self.network
        epoch = enter_served_epoch(self.system, self.network)
        with self.story.step("silence is punished") as step:
            alive = {one.seat for one in self._group(group).seats} - dead
            wait_until("the living seat's proof", lambda: alive <= self._proven(group, epoch))
            at = network.node.block().hash
            window = network.proofs.answer_seconds(at=at)
            travel_to(self.system.rpc, network.stake.epoch_start(epoch, at=at) + window + 1)
            handlers = self._jobs()
            taken = 0
            for seat in sorted(dead):
                first = network.node.block().number + 1
                outcome = handlers[JobKind.DEFAULT_PROOF](f"{epoch}/{group}/{seat}")
                assert outcome is Outcome.DONE, outcome
                wanted = network.proofs.event_filter(
                    Defaulted, first_block=first, last_block=network.node.block().number
                )
                found = network.proofs.events_in(Defaulted, network.node.logs(wanted))
                taken += sum(one.amount for one in found)
            step.detail = f"{len(dead)} seats fined {taken:,} wei and unpaid from now on"
        return taken

    def _refund(self, file_id: bytes) -> int:
        """Nobody repairs it in time: declared lost, the rest of the deposit goes back."""
        network, home = self.network, self.system.home
        with self.story.step("lost, and refunded") as step:
            at = network.node.block()
            group = network.market.group(network.market.file(file_id, at=at.hash).group, at=at.hash)
            repair = network.market.windows(at=at.hash).repair
            travel_to(self.system.rpc, group.short_since + repair + 1)
            first = network.node.block().number + 1
            outcome = self._jobs()[JobKind.LOSE_FILE]("0x" + file_id.hex())
            assert outcome is Outcome.DONE, outcome
            wanted = network.market.event_filter(
                FileEnded, first_block=first, last_block=network.node.block().number
            )
            [ended] = network.market.events_in(FileEnded, network.node.logs(wanted))
            assert ended.state is FileState.LOST
            owner = Keystore(home.keys).account(ROLE)
            with open_sender(network, home, ROLE, owner) as sender:
                call = network.market.withdraw(address_of(owner))
                receipt = sender.execute(call, key=f"demo.withdraw:{file_id.hex()}")
            step.gas = receipt.gas_used
            step.transaction = "0x" + receipt.transaction_hash.hex()
            step.detail = f"{ended.refund:,} wei back, {ended.cost:,} wei for what was served"
        return ended.refund

    def _jobs(self) -> dict[JobKind, Callable[[str], Outcome]]:
        network, home = self.network, self.system.home
        account = Keystore(home.keys).account(WORKER_ROLE)
        Enrolment(network, home).fund([account])
        jobs = storage_jobs(network, home, lambda: open_sender(network, home, WORKER_ROLE, account))
        return dict(jobs.handlers())

    def _group(self, number: int) -> GroupView:
        return storage_ledger(self.network).group(number, at=self.network.node.block().hash)

    def _operator(self, index: int) -> int:
        account = Keystore(self.system.home.keys).account(node_role(index))
        at = self.network.node.block().hash
        return self.network.stake.operator_of(address_of(account), at=at)

    def _proven(self, group: int, epoch: int) -> set[int]:
        at = self.network.node.block().hash
        return {
            one.seat
            for one in self._group(group).seats
            if self.network.proofs.is_proven(DrawnSeat(epoch, group, one.seat), at=at)
        }

    def _whole(self, stored: Stored) -> set[int]:
        """Seats that hold every segment of a file, as they say themselves."""

        async def ask(opened: Opened) -> set[int]:
            answers = await opened.files.ask_seats(stored.view)
            segments = stored.view.file.shape.segments
            return {one.seat.seat for one in answers if one.segments == segments}

        return self._with_files(ask)

    def _with_files(self, act: Callable[[Opened], Awaitable[T]]) -> T:
        async def run() -> T:
            async with open_files(self.system.home, None) as opened:
                return await act(opened)

        return asyncio.run(run())


async def _get(opened: Opened, file_id: bytes, into: Path) -> None:
    """Read a file or folder back, everything checked."""

    def arrive(found: bytes, length: int) -> Arrival:
        return Arrival(into, found, length=length, is_raw=False)

    await opened.files.get.land(file_id, arrive, label=Label.CONSISTENT)


def _note(step: Step, paid: Paid) -> None:
    step.gas = paid.gas_used
    step.transaction = "0x" + paid.transaction.hex()


def _digest(path: Path) -> bytes:
    """Names and contents of a file or folder."""
    hashed = hashlib.sha256()
    for one in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if one.is_file():
            name = one.relative_to(path).as_posix().encode()
            content = one.read_bytes()
            hashed.update(len(name).to_bytes(4, "big") + name)
            hashed.update(len(content).to_bytes(8, "big") + content)
    return hashed.digest()
