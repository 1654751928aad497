"""`apogee demo` from nothing to nothing: a home, a network, the acts, the closing table."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from offchain.apps.demo.agents import AgentActs
from offchain.apps.demo.archive import build_archive, standard_library
from offchain.apps.demo.attested import AttestedActs
from offchain.apps.demo.keeping import KeepActs
from offchain.apps.demo.market import MODEL, MarketActs
from offchain.apps.demo.memory import remember
from offchain.apps.demo.model_facts import AskedFacts, asked_facts
from offchain.apps.demo.money import MoneyPath
from offchain.apps.demo.report import COLUMNS, Story
from offchain.apps.demo.stage import build_network, staged
from offchain.apps.demo.story import Acts, main_blob
from offchain.apps.exit_codes import ExitCode
from offchain.apps.home import Home
from offchain.apps.output import print_json, print_table, say
from offchain.apps.settings import UpSettings
from offchain.apps.system import System
from offchain.core.erasure.choose import choose_engine
from offchain.core.errors import InvalidInput
from offchain.core.layout import N
from offchain.staking.beacon import SEATS, STRONG_SEATS

LEAST_NODES: Final = 8  # two of DA and half of 32 seats of storage die


class DemoFileUnusable(InvalidInput):
    """The demo needs an existing file that is not empty."""

    code = "demo.file_unusable"
    next_step = "Name another file with --file, or leave it out."


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo has to show: figures for programs, and the money's path."""

    figures: dict[str, object]
    money: MoneyPath
    story: Story
    simulated: list[str]
    is_kept: bool

    @property
    def is_good(self) -> bool:
        return self.figures["retrieved_equal"] is True and self.money.taken > 0 and self.is_kept


def run_demo(settings: UpSettings, *, file: Path | None, keep: Path | None, as_json: bool) -> int:
    """Run the demo; 0 when the file came back equal and the cheat paid."""
    if file is not None and not (file.is_file() and file.stat().st_size):
        raise DemoFileUnusable(file=file)
    if settings.nodes < LEAST_NODES:
        raise InvalidInput(
            "the demo kills half of 32 seats, so it needs eight nodes", nodes=settings.nodes
        )
    with staged(settings, keep) as system, asked_facts(MODEL, system.home) as asked:
        result = _play(system, settings, file, asked)
    _close(result, as_json=as_json)
    return ExitCode.DONE if result.is_good else ExitCode.CORRUPT


def _play(
    system: System, settings: UpSettings, given: Path | None, asked: AskedFacts
) -> DemoResult:
    started, story = time.monotonic(), Story()
    home = system.home
    file = _file(home, story, given)
    length = file.stat().st_size
    epoch = build_network(system, story)
    seats = system.seats(epoch)
    acts = Acts(system, system.network(), choose_engine(), story)
    acts.encode(file, length)
    published = acts.publish(file, length)
    killed = acts.kill_nodes()
    is_equal = acts.retrieve(published, file, home.root / "retrieved")
    blob = main_blob(published)
    money, verdict = acts.convict(blob.blob_id)
    shops = MarketActs(system, system.network(), story)
    shops.open_shops(asked)
    kept = KeepActs(system, system.network(), story).play(standard_library())
    remembered = remember(system.network(), home, story)
    market = shops.play()
    attested = AttestedActs(system, system.network(), story, shops).play()
    traded = AgentActs(system, system.network(), story, shops.thinker()).play()
    figures: dict[str, object] = {
        "blob_bytes": length,
        "chunks": N * len(published.blobs),
        "nodes": system.manifest.nodes,
        "killed_nodes": len(killed),
        "retrieved_equal": is_equal,
        "encode_mb_s": story.mb_s_of("encode"),
        "disperse_mb_s": story.mb_s_of("disperse"),
        "retrieve_mb_s": story.mb_s_of("retrieve"),
        "certificate_gas": blob.confirmed.gas_used if blob.confirmed else None,
        "slashed_wei": money.taken,
        "epoch": epoch,
        "beacon_seats": seats,
        "chain": system.manifest.backend,
        "chain_id": system.manifest.chain_id,
        "seconds": round(time.monotonic() - started, 1),
        "reference": str(published.reference),
        "offence_id": "0x" + verdict.offence_id.hex(),
        **kept.as_json(),
        "memory_answers_proven": remembered,
        **market.as_json(),
        **attested.as_json(),
        **traded.as_json(),
    }
    simulated = _simulated(system.manifest.backend, settings.divisor)
    told = [*simulated, _randomness(epoch, seats)]
    is_good = all(one.is_good for one in (kept, market, attested, traded))
    return DemoResult(figures, money, story, told, is_good)


def _file(home: Home, story: Story, given: Path | None) -> Path:
    """The file to send: the caller's, or an archive made of this machine's standard library."""
    with story.step("file") as step:
        if given is not None:
            step.detail = f"{given.name}, {given.stat().st_size:,} bytes"
            return given
        path = home.root / "standard-library.tar"
        path.write_bytes(build_archive(standard_library()))
        step.detail = f"Python's standard library, {path.stat().st_size:,} bytes"
        return path


def _simulated(backend: str, divisor: int) -> list[str]:
    """What is not as on a public network; everything else in the demo is the production path."""
    return [
        f"the chain is one local {backend} process with test money",
        f"durations are production durations divided by {divisor}",
        "the devnet's clock was moved forward instead of waiting for epochs, and for a repair",
        "all operators run on this machine and their sockets are loopback",
        "providers run in a software TEE under a root of its own: their level reads SIMULATED",
        "the cheats are shipped adversaries; the evidence against them and the slashes are real",
    ]


def _randomness(epoch: int, seats: int) -> str:
    """Which epochs' randomness is weak, as the chain flags it."""
    if seats < STRONG_SEATS:
        return f"{seats} of {SEATS} beacon seats contributed: epoch {epoch} is flagged weak"
    return (
        f"nobody was a relayer before epoch {epoch - 1}, so randomness up to it is flagged weak; "
        f"that of epoch {epoch}, which draws the rows, has {seats} of {SEATS} seats"
    )


def _close(result: DemoResult, *, as_json: bool) -> None:
    """The closing object on stdout, or the closing tables."""
    if as_json:
        steps = [step.as_json() for step in result.story.steps]
        told = {"money": result.money.as_json(), "simulated": result.simulated, "steps": steps}
        print_json({**result.figures, **told})
        return
    print_table("steps", COLUMNS, [step.cells() for step in result.story.steps])
    print_table("the slash, in coins", ("", "coins"), result.money.rows())
    say("what is not as on a public network:")
    for line in result.simulated:
        say(f"  - {line}")
    say(f"{result.figures['seconds']} s in all; nothing is left running")
