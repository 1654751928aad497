"""demo, up, down, status, logs, doctor, bench: the whole system at once."""

from pathlib import Path
from typing import Annotated

import typer

from offchain.apps.commands.options import HomeFolder, Json, Quiet, home_of

BackendName = Annotated[
    str | None,
    typer.Option("--backend", help="Which devnet: auto (Anvil if it can be had), anvil, pyevm."),
]
NodeCount = Annotated[int | None, typer.Option("--nodes", help="How many da-nodes. Default: 8")]


def add_to(app: typer.Typer) -> None:
    """Register these commands at the top level."""
    for function in (demo, up, down, status, logs, doctor, bench):
        app.command()(function)


def demo(
    file: Annotated[
        Path | None, typer.Option(help="The file to send. Default: 30 MB made here.")
    ] = None,
    backend: BackendName = None,
    keep: Annotated[Path | None, typer.Option(help="Keep the demo's home in this folder.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,  # noqa: ARG001 - takes effect as it is parsed
) -> int:
    """A real file in and out with two nodes dead, and a cheat slashed.  Example: apogee demo"""
    from offchain.apps.demo.run import run_demo
    from offchain.apps.settings import UpSettings, read_settings

    settings = read_settings(UpSettings, backend=backend)
    return run_demo(settings, file=file, keep=keep, as_json=as_json)


def up(  # noqa: PLR0913 - one parameter a flag
    *,
    home: HomeFolder = None,
    backend: BackendName = None,
    nodes: NodeCount = None,
    only: Annotated[
        str | None, typer.Option(help="Only these, by comma: devnet, contracts, da-node, worker.")
    ] = None,
    detach: Annotated[bool, typer.Option(help="Return once everything is healthy.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,  # noqa: ARG001 - takes effect as it is parsed
) -> int:
    """Start everything and keep it running until Ctrl-C.  Example: apogee up --nodes 4"""
    from offchain.apps.settings import UpSettings, read_settings
    from offchain.apps.up import run_up, run_up_detached

    settings = read_settings(UpSettings, home=home, backend=backend, nodes=nodes)
    run = run_up_detached if detach else run_up
    return run(settings, only=only, as_json=as_json)


def down(home: HomeFolder = None, as_json: Json = False) -> int:
    """Stop what `apogee up` started, from any terminal.  Example: apogee down"""
    from offchain.apps.lifecycle import take_down
    from offchain.apps.output import print_result

    stopped = take_down(home_of(home))
    print_result({"stopped": ", ".join(stopped) if not as_json else stopped}, as_json=as_json)
    return 0


def status(home: HomeFolder = None, as_json: Json = False) -> int:
    """Processes, contracts and balances.  Example: apogee status --json"""
    from offchain.apps.status import print_status

    return print_status(home_of(home), as_json=as_json)


def logs(
    process: Annotated[str | None, typer.Argument(help="Which process. Default: all")] = None,
    home: HomeFolder = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing new lines.")
    ] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=100_000)] = 40,
    as_json: Json = False,
) -> int:
    """What processes wrote.  Example: apogee logs da-node-3 -f"""
    from offchain.apps.lifecycle import log_names
    from offchain.apps.log_view import show_logs

    place = home_of(home)
    names = [process] if process else log_names(place)
    show_logs(place, names, lines=lines, follow=follow, as_json=as_json)
    return 0


def doctor(
    home: HomeFolder = None,
    fix: Annotated[bool, typer.Option("--fix", help="Repair what can be repaired.")] = False,
    as_json: Json = False,
) -> int:
    """What is wrong here, and what to type.  Example: apogee doctor --fix"""
    from offchain.apps.doctor import run_doctor

    return run_doctor(home_of(home), fix=fix, as_json=as_json)


def bench(
    area: Annotated[
        str,
        typer.Argument(help="da, storage, compute, attest, agents, staking, chain, demo or all."),
    ] = "all",
    nodes: Annotated[
        int | None,
        typer.Option(min=2, max=32, help="Only throughput from 2 to so many node processes."),
    ] = None,
    as_json: Json = False,
    quiet: Quiet = False,  # noqa: ARG001 - takes effect as it is parsed
) -> int:
    """Measure against the bars of docs/performance.md.  Example: apogee bench da --json"""
    from offchain.apps.bench import print_bench

    return print_bench(area, as_json=as_json, nodes=nodes)
