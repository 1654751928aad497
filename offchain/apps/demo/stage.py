"""A network of its own for one show: a home, every process, and nothing left running afterwards."""

import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from offchain.apps.demo.report import Story
from offchain.apps.home import Home
from offchain.apps.output import say
from offchain.apps.settings import UpSettings
from offchain.apps.supervisor import HomeLock, ProcessEvent, State, Supervisor
from offchain.apps.system import System
from offchain.core.errors import Conflict
from offchain.staking.beacon import SEATS

MODEL_PARTS: Final = (  # what providers and auditors import, while other acts go on
    "offchain.apps.provider",
    "offchain.compute.adapters.torch_engine",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.llama.modeling_llama",
)


class DemoFolderUsed(Conflict):
    """The folder for the demo's home is not empty."""

    code = "demo.folder_used"
    next_step = "Name an empty or new folder with --keep."


@contextmanager
def staged(settings: UpSettings, keep: Path | None) -> Iterator[System]:
    """A system in a home of its own; however it ends, its processes end first.

    Raises: DemoFolderUsed.
    """
    with _home(keep) as home, _interrupted_by_sigterm():
        lock = HomeLock(home)
        lock.acquire()
        supervisor = Supervisor(_report)
        try:
            yield System(home, settings, supervisor, tell=_detail, stop=threading.Event())
        finally:
            supervisor.stop_all()
            lock.release()


def build_network(system: System, story: Story) -> int:
    """Chain, contracts, staked operators, nodes, table: as `apogee up` does it; its epoch."""
    compilation = system.compile_kernels()
    with story.step("devnet") as step:
        step.detail = f"{system.start_chain()}, chain id {system.manifest.chain_id}"
    with story.step("deploy with ape") as step:
        system.deploy()
        step.detail = f"{len(system.network().deployments.contracts)} contracts"
    with story.step("nodes") as step:
        compilation.wait()
        system.launch_nodes()
        system.launch_storage_nodes()
        system.supervisor.prepare(*MODEL_PARTS)
        step.detail = f"{2 * system.manifest.nodes} processes started, each with its own disk"
    with story.step("stake and register") as step:
        ids = system.enrol(keeps=True)
        system.admit_code()
        step.detail = f"{len(ids)} operators with BLS keys proven on chain"
    with story.step("nodes healthy") as step:
        system.wait_nodes()
        system.wait_storage_nodes()
    with story.step("table") as step:
        epoch = system.open_table()
        seats = system.seats(epoch)
        step.detail = f"epoch {epoch} drawn by stake and beacon, {seats} of {SEATS} seats"
    with story.step("storage groups") as step:
        groups = system.open_groups()
        step.detail = ", ".join(groups) + ": seats drawn by stake and beacon"
    return epoch


def _detail(line: str) -> None:
    say(f"     {line.strip()}")


def _report(event: ProcessEvent) -> None:
    if event.state in (State.CRASHED, State.GAVE_UP):
        say(f"     {event.name}: {event.state.value}, {event.detail}")


@contextmanager
def _home(keep: Path | None) -> Iterator[Home]:
    """A home for one demo: removed afterwards unless the caller keeps it."""
    if keep is not None:
        if keep.exists() and any(keep.iterdir()):
            raise DemoFolderUsed(folder=keep)
        keep.mkdir(parents=True, exist_ok=True)
        yield Home.at(keep)
        return
    folder = Path(tempfile.mkdtemp(prefix="apogee-demo-"))
    try:
        yield Home.at(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: everything is stopped first."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
