"""agent new, fund, run, runs, pause, kill, verify: what an agent does for its owner or renter."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offchain.apps.commands.agent_flags import (
    Budget,
    Deadline,
    Inputs,
    RunName,
    SkillName,
    Token,
    acting,
)
from offchain.apps.commands.options import Json

if TYPE_CHECKING:
    from offchain.apps.stake import Actor


def new(
    folder: Annotated[Path, typer.Argument(help="Where to write the bundle; a new folder.")],
    name: Annotated[str, typer.Option(help="The agent's name.")] = "Scribe",
    model: Annotated[
        str, typer.Option(help="A model's name, or 0x and its hash, as it is served.")
    ] = "smollm2-135m-instruct",
    as_json: Json = False,
) -> int:
    """The files of a first agent, to change as you like.  Example: apogee agent new my-agent/"""
    from offchain.apps import agent_new

    return agent_new.new(folder, name, model, as_json=as_json)


@acting
def fund(
    one: "Actor",
    token: Token,
    amount: Annotated[str, typer.Argument(help="Such as 0.2eth, 5gwei.")],
) -> int:
    """Put coin into an agent's account, from which it pays.  Example: apogee agent fund 1 0.2"""
    from offchain.apps import agent_run
    from offchain.apps.amounts import parse_amount

    return agent_run.fund(one, token, parse_amount(amount))


@acting
def run(  # noqa: PLR0913, PLR0917 - one parameter a flag
    one: "Actor",
    token: Token,
    intent: Annotated[str, typer.Option(help="What is wanted, in words.")],
    budget: Budget,
    deadline: Deadline = "1h",
    skill: SkillName = "",
    inputs: Inputs = None,
    tools: Annotated[
        list[str] | None, typer.Option("--tool", help="Only these tools; repeatable.")
    ] = None,
    pays: Annotated[
        list[str] | None, typer.Option("--pay", help="An address it may pay too; repeatable.")
    ] = None,
    service: Annotated[str | None, typer.Option(help="Think at this service.")] = None,
    name: RunName = None,
) -> int:
    """Let an agent do something, within limits that it cannot leave.

    Example: apogee agent run 1 --intent "summarise it" --input file=0x.. --budget 0.2 --deadline 1h
    """
    from offchain.apps import agent_run
    from offchain.apps.agent_intent import IntentFlags

    flags = IntentFlags(
        goal=intent,
        budget=budget,
        deadline=deadline,
        skill=skill,
        inputs=tuple(inputs or ()),
        tools=tuple(tools or ()),
        pays=tuple(pays or ()),
        service=service,
        run=name,
    )
    return agent_run.run(one, token, flags)


@acting
def runs(one: "Actor", token: Token) -> int:
    """Runs of an agent in this home.  Example: apogee agent runs 1"""
    from offchain.apps import agent_run

    return agent_run.runs(one, token)


@acting
def pause(
    one: "Actor",
    token: Token,
    resume: Annotated[bool, typer.Option("--resume", help="Let it go on.")] = False,
) -> int:
    """Nothing is signed or spent until it is resumed.  Example: apogee agent pause 1"""
    from offchain.apps import agent_run

    return agent_run.pause(one, token, is_over=resume)


@acting
def kill(
    one: "Actor",
    token: Token,
) -> int:
    """End an agent's runs here and its sessions everywhere.  Example: apogee agent kill 1"""
    from offchain.apps import agent_run

    return agent_run.kill(one, token)


@acting
def verify(
    one: "Actor",
    run_log: Annotated[Path, typer.Argument(help="The run-log.json of a run.", exists=True)],
) -> int:
    """Check a run log: signature, session, budget, tools, every receipt.

    Example: apogee agent verify .apogee/agents/runs/1/3fa9c2d410be/run-log.json
    """
    from offchain.apps import agent_run

    return agent_run.verify(one, run_log)


def add_to(app: typer.Typer) -> None:
    """Beside the commands of trade."""
    for command in (new, fund, run, runs, pause, kill, verify):
        app.command()(command)
