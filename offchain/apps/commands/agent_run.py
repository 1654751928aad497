"""agent new, fund, run, runs, pause, kill, verify: what an agent does for its owner or renter."""

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from offchain.apps.commands.agent_flags import TRADER, Role, Token, actor_of
from offchain.apps.commands.options import HomeFolder, Json, RpcUrl


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


def fund(
    token: Token,
    amount: Annotated[str, typer.Argument(help="Such as 0.2eth, 5gwei.")],
    role: Role = TRADER,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Put coin into an agent's account, from which it pays.  Example: apogee agent fund 1 0.2"""
    from offchain.apps import agent_run
    from offchain.apps.amounts import parse_amount

    with closing(actor_of(home, rpc_url, role, as_json=as_json)) as one:
        return agent_run.fund(one, token, parse_amount(amount))


def run(  # noqa: PLR0913, PLR0917 - one parameter a flag
    token: Token,
    intent: Annotated[str, typer.Option(help="What is wanted, in words.")],
    budget: Annotated[str, typer.Option(help="The most it may spend: 0.2eth, 5gwei.")],
    deadline: Annotated[str, typer.Option(help="How long it may take: 90s, 30m, 1h.")] = "1h",
    skill: Annotated[str, typer.Option(help="A plan of the bundle; else the model plans.")] = "",
    inputs: Annotated[
        list[str] | None, typer.Option("--input", help="name=value, for the plan; repeatable.")
    ] = None,
    tools: Annotated[
        list[str] | None, typer.Option("--tool", help="Only these tools; repeatable.")
    ] = None,
    pays: Annotated[
        list[str] | None, typer.Option("--pay", help="An address it may pay too; repeatable.")
    ] = None,
    service: Annotated[str | None, typer.Option(help="Think at this service.")] = None,
    name: Annotated[str | None, typer.Option("--run", help="A name for the run.")] = None,
    role: Role = TRADER,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
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
    with closing(actor_of(home, rpc_url, role, as_json=as_json)) as one:
        return agent_run.run(one, token, flags)


def runs(token: Token, role: Role = TRADER, home: HomeFolder = None, rpc_url: RpcUrl = None) -> int:
    """Runs of an agent in this home.  Example: apogee agent runs 1"""
    from offchain.apps import agent_run

    with closing(actor_of(home, rpc_url, role, as_json=False)) as one:
        return agent_run.runs(one, token)


def pause(
    token: Token,
    resume: Annotated[bool, typer.Option("--resume", help="Let it go on.")] = False,
    role: Role = TRADER,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Nothing is signed or spent until it is resumed.  Example: apogee agent pause 1"""
    from offchain.apps import agent_run

    with closing(actor_of(home, rpc_url, role, as_json=as_json)) as one:
        return agent_run.pause(one, token, is_over=resume)


def kill(
    token: Token,
    role: Role = TRADER,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """End an agent's runs here and its sessions everywhere.  Example: apogee agent kill 1"""
    from offchain.apps import agent_run

    with closing(actor_of(home, rpc_url, role, as_json=as_json)) as one:
        return agent_run.kill(one, token)


def verify(
    run_log: Annotated[Path, typer.Argument(help="The run-log.json of a run.", exists=True)],
    role: Role = TRADER,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Check a run log: signature, session, budget, tools, every receipt.

    Example: apogee agent verify .apogee/agents/runs/1/3fa9c2d410be/run-log.json
    """
    from offchain.apps import agent_run

    with closing(actor_of(home, rpc_url, role, as_json=as_json)) as one:
        return agent_run.verify(one, run_log)


def add_to(app: typer.Typer) -> None:
    """Beside the commands of trade."""
    for command in (new, fund, run, runs, pause, kill, verify):
        app.command()(command)
