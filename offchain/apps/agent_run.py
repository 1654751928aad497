"""`apogee agent fund | run | runs | pause | kill | verify`: an agent does what it is told.

The bundle is opened in memory when this wallet owns the agent. The same command again goes on with
a run that was interrupted. Who rents it asks its owner's host: `apogee agent serve`, `agent ask`.
"""

import asyncio
import json
from pathlib import Path

from offchain.agents.run import Report
from offchain.agents.run_log import RunLog
from offchain.agents.standing import Control, Stop, Visitor, admit
from offchain.agents.verify_run import verify_run_log
from offchain.apps.agent_acting import (
    CONTROL,
    LOG_FILE,
    Asking,
    begin,
    chain_agents,
    control_of,
    follow_through,
    host_of,
    open_bundle,
    runs_of,
)
from offchain.apps.agent_begun import once
from offchain.apps.agent_intent import IntentFlags
from offchain.apps.agent_rights import Rights
from offchain.apps.amounts import show_amount
from offchain.apps.compute_clients import chain_escrow
from offchain.apps.exit_codes import ExitCode
from offchain.apps.output import print_json, print_table, say
from offchain.apps.stake import Actor
from offchain.chain.model import TypedCall, show_address
from offchain.node.folder_lock import FolderLock


def run(one: Actor, token: int, flags: IntentFlags) -> int:
    """Do an intent. Raises: NotAllowedToRun, OverBudget, AgentStopped while it has to wait."""
    report, folder = asyncio.run(act(one, token, flags))
    told: dict[str, object] = {
        "token": token,
        "ended": report.reason.value,
        "report": report.text,
        "spent": show_amount(report.log.spent),
        "steps": len(report.log.steps),
        "thoughts": len([step for step in report.log.steps if step.receipt is not None]),
        "run_log": str(folder / LOG_FILE),
        "not_in_the_log_yet": ", ".join(report.unsettled) or None,
    }
    one.say(told)
    return ExitCode.DONE if report.reason is Stop.GOAL else ExitCode.CONFLICT


def fund(one: Actor, token: int, amount_wei: int) -> int:
    """Send coin from this wallet to the agent's account, from which it pays; once each time."""
    account = _rights(one).account(token)
    call = TypedCall(account.address, b"", amount_wei, "AgentAccount", "receive")
    with once(one, f"agent.fund:{token}:{amount_wei}", {}) as begun:
        one.send(call, begun.key)
        has = one.network.node.balance(account.address, at=one.at)
        told = {"account": show_address(account.address), "balance": show_amount(has)}
        return one.say({**told, "begun_before": begun.is_old})


def runs(one: Actor, token: int) -> int:
    """The runs of an agent in this home."""
    rows = []
    for folder in sorted(runs_of(one, token).glob("*/")):
        log = folder / LOG_FILE
        state = RunLog.from_bytes(log.read_bytes()).reason if log.exists() else "open"
        rows.append((folder.name, state, control_of(folder).value))
    columns = ("run", "ended", "told")
    if one.as_json:
        print_json({"runs": [dict(zip(columns, row, strict=True)) for row in rows]})
        return ExitCode.DONE
    print_table("runs", columns, rows)
    return ExitCode.DONE


def pause(one: Actor, token: int, *, is_over: bool = False) -> int:
    """Pause the agent's account and its runs here, or let them go on."""
    rights = _rights(one)
    told = Control.GO if is_over else Control.PAUSE
    changed = _tell(one, token, told)
    view = rights.account(token)
    if view.is_created(at=one.at):
        one.send(view.set_paused(not is_over), one.unique_key(f"agent.pause:{token}"))
    return one.say({"token": token, "paused": not is_over, "runs": changed})


def kill(one: Actor, token: int) -> int:
    """End the agent's runs here and all its sessions on chain."""
    changed = _tell(one, token, Control.KILL)
    ended = _rights(one).take_back(token)
    return one.say({"token": token, "runs": changed, "ended": ", ".join(ended) or None})


def verify(one: Actor, source: Path) -> int:
    """Check a run log against the chain. Raises: RunLogWrong."""
    log = RunLog.from_bytes(source.read_bytes())
    network = one.network
    checks = verify_run_log(log, network.services, chain_escrow(network), chain_agents(network))
    for check in checks:
        say(f"ok   {check.name:<10} {check.detail}")
    return one.say({"token": log.token, "ended": log.reason, "spent": show_amount(log.spent)})


async def act(one: Actor, token: int, flags: IntentFlags) -> tuple[Report, Path]:
    """Do an intent; the report, and the folder with its log. Raises: as `run`."""
    ledger = chain_agents(one.network)
    standing = await admit(ledger, Visitor(token, one.address))
    lock = FolderLock(runs_of(one, token))
    try:
        opened = await open_bundle(one, token, standing.epoch)
        begun = await begin(one, Asking(bytes(one.address), flags), opened, standing)
        return await follow_through(one, token, begun), begun.folder
    finally:
        lock.close()


def _rights(one: Actor) -> Rights:
    return Rights(one.network, one.send)


def _tell(one: Actor, token: int, told: Control) -> int:
    """Tell every open run of an agent, and its host; how many runs there are."""
    folders = [run for run in runs_of(one, token).glob("*/") if not (run / LOG_FILE).exists()]
    host = host_of(one, token)
    for folder in (*folders, *([host] if host.exists() else [])):
        (folder / CONTROL).write_text(json.dumps(told.value))
    return len(folders)
