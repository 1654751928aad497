"""The plan of a deployment: numbers agree with the contracts, order and references hold."""

import json
import re
from pathlib import Path

from offchain.apps import genesis
from offchain.apps.genesis import (
    MIN_CONFIRM_SECONDS,
    MIN_CUTOFF_SECONDS,
    Deploy,
    Durations,
    Ref,
    resolve,
    scaled_genesis,
)

GOVERNANCE = "0x" + "11" * 20
TREASURY = "0x" + "22" * 20


def references(value: object) -> set[str]:
    if isinstance(value, Ref):
        return {value.name}
    if isinstance(value, tuple):
        return set().union(*(references(item) for item in value))
    return set()


def test_constants__compared_with_the_contracts__agree(project_root: Path) -> None:
    source = (project_root / "contracts/shared/constants.vy").read_text()

    stated = {
        name: int(value.replace("_", ""))
        for name, value in re.findall(
            r"^(\w+): constant\(uint256\) = ([\d_]+)", source, re.MULTILINE
        )
    }

    names = ["DA", "STORAGE", "RELAYER", "DA_EQUIVOCATION", "BEACON_ABSENT", "PROVEN", "MISSED"]
    storage = ["STO_NO_PROOF", "STO_DECLARED_LOSS", "KV_FALSE_ROOT"]
    market = [name for name in stated if name.startswith(("CMP_", "AUD_", "JOB_"))]
    for name in (*names, *storage, *market, "COMPUTE", "ALIGNMENT", "ATTESTED"):
        assert stated[name] == getattr(genesis, name)


def test_plan__in_order__refers_only_to_what_stands() -> None:
    plan = scaled_genesis(governance=GOVERNANCE, treasury=TREASURY)
    standing: set[str] = set()

    for step in plan.deployments():
        assert references(step.arguments) <= standing
        standing.add(step.name)

    for call in plan.wiring():
        assert {call.name} | references(call.arguments) <= standing


def test_plan__as_json__has_every_step_in_order_with_names_for_addresses() -> None:
    plan = scaled_genesis(governance=GOVERNANCE, treasury=TREASURY)

    steps = json.loads(json.dumps(plan.as_json()))

    deployed = [step["deploy"] for step in steps if "deploy" in step]
    assert deployed == [step.name for step in plan.deployments()]
    assert steps[0]["arguments"][0] == GOVERNANCE
    assert steps[1]["arguments"][0] == "<OperatorRegistry>"
    assert steps[-1] == {"call": "SlashingCourt.seal", "arguments": []}


def test_plan__every_deployable__is_deployed_once(project_root: Path) -> None:
    contracts = [path.stem for path in (project_root / "contracts").rglob("*.vy")]
    plan = scaled_genesis(governance=GOVERNANCE, treasury=TREASURY)

    deployed = [step.name for step in plan.deployments()]

    assert sorted(name for name in contracts if name[0].isupper()) == sorted(deployed)


def test_durations__divided__keep_their_ratios() -> None:
    full, devnet = Durations(), Durations().divided(100)

    assert (devnet.epoch, devnet.cutoff, devnet.day) == (144, 9, 864)
    assert full.unbonding_long / full.epoch == devnet.unbonding_long / devnet.epoch


def test_scaled__windows_that_people_and_machines_need__do_not_shrink_with_the_rest() -> None:
    devnet = scaled_genesis(governance=GOVERNANCE, treasury=TREASURY).durations
    full = scaled_genesis(governance=GOVERNANCE, treasury=TREASURY, divisor=1).durations

    assert (devnet.confirm, devnet.cutoff) == (MIN_CONFIRM_SECONDS, MIN_CUTOFF_SECONDS)
    assert devnet.cutoff * 2 < devnet.epoch
    assert full == Durations()


def test_resolve__nested_references__become_addresses() -> None:
    step = Deploy("DAEntrance", (Ref("DASigners"), (1, Ref("StakeManager"))))

    resolved = tuple(
        resolve(item, {"DASigners": "a", "StakeManager": "b"}) for item in step.arguments
    )

    assert resolved == ("a", (1, "b"))
