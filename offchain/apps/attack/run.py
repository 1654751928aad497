"""`apogee attack da`: every attack on data availability against real processes, and who lost what.

One network as `apogee demo` makes it; exit 0 when no attack reached its aim and the money of every
slash adds up to the wei.
"""

import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Final

from offchain.apps.attack.arena import CUSTOMER, Arena
from offchain.apps.attack.on_data import attack_non_codeword, attack_two_faced
from offchain.apps.attack.on_duty import attack_by_challenger, attack_by_signers
from offchain.apps.attack.on_keys import attack_certificates, attack_registration
from offchain.apps.attack.on_sockets import attack_sockets
from offchain.apps.attack.report import COLUMNS, Outcome
from offchain.apps.demo.report import Story
from offchain.apps.demo.stage import build_network, staged
from offchain.apps.demo.story import Acts
from offchain.apps.exit_codes import ExitCode
from offchain.apps.output import print_json, print_table, say
from offchain.apps.settings import UpSettings
from offchain.core.erasure.choose import choose_engine
from offchain.core.errors import InvalidInput

NODES: Final = 8  # four of them cheat at once
SEED: Final = 20_262
SIZE: Final = 200_000

EQUIVOCATION: Final = "one signer, two statements"

Attack = Callable[[Arena], list[Outcome]]


def attack_by_equivocation(arena: Arena) -> list[Outcome]:
    """A signer attests two things of one blob; whoever holds both has it slashed."""
    _, done = arena.publish(SIZE)
    acts = Acts(arena.system, arena.network, arena.engine, Story())
    money, verdict = acts.convict(done.blob_id)
    return [
        Outcome(
            EQUIVOCATION,
            "convicted by both signatures, and out for good",
            payer="the signer",
            paid_wei=money.taken,
            received_wei={
                "the reporter": money.to_reporter,
                "the insurance": money.to_insurance,
                "the Treasury": money.to_treasury,
            },
            transaction=verdict.reported.transaction,
        )
    ]


ATTACKS: Final[tuple[tuple[str, Attack], ...]] = (
    ("keys and possession", attack_registration),
    ("certificates", attack_certificates),
    ("a flooded node", attack_sockets),
    ("a challenger that lies", attack_by_challenger),
    ("a disperser with two faces", attack_two_faced),
    ("signers that cheat", attack_by_signers),
    ("a signer with two tongues", attack_by_equivocation),
    ("a disperser without a code", attack_non_codeword),
)


def run_attacks(settings: UpSettings, *, keep: Path | None, as_json: bool) -> int:
    """Run every attack; 0 when all failed. Raises: AttackSucceeded."""
    if settings.nodes != NODES:
        raise InvalidInput("the attacks are laid out for eight nodes", nodes=settings.nodes)
    started, story = time.monotonic(), Story()
    outcomes: list[Outcome] = []
    with staged(settings, keep) as system:
        build_network(system, story)
        arena = Arena(system, system.network(), choose_engine(), Random(SEED))
        arena.fund(CUSTOMER)
        for name, attack in ATTACKS:
            with story.step(name) as step:
                found = attack(arena)
                step.detail = f"{len(found)} attacks failed"
            outcomes += found
        backend = system.manifest.backend
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        told = [outcome.as_json() for outcome in outcomes]
        print_json({"attacks": told, "chain": backend, "seconds": seconds})
    else:
        print_table("attacks", COLUMNS, [outcome.cells() for outcome in outcomes])
        say(f"{len(outcomes)} attacks failed in {seconds} s; nothing is left running")
    return ExitCode.DONE
