"""The one command, `apogee`: parses, calls one function of apps, and turns errors into exit codes.

Heavy imports happen inside the commands, so that `apogee --help` answers at once.
"""

import sys

import typer

from offchain.apps.commands import (
    agent,
    agent_host,
    agent_leases,
    agent_run,
    attack,
    attest,
    chain_processes,
    compute,
    compute_measures,
    da,
    jobs,
    key,
    kv,
    lookup,
    node,
    provider,
    stake,
    storage,
    system,
)
from offchain.apps.exit_codes import ExitCode, exit_code_of
from offchain.apps.output import print_error, say
from offchain.core.errors import ApogeeError


def _end_with(code: int) -> None:
    """What a command returns is its exit code."""
    raise typer.Exit(code)


app = typer.Typer(
    name="apogee",
    help="A decentralised AI operating system: chain, staking, data availability, storage.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help needs no rich: 0.2 s less
    pretty_exceptions_enable=False,
    result_callback=_end_with,
    context_settings={"help_option_names": ["-h", "--help"]},
)
system.add_to(app)
chain_processes.add_to(app)
lookup.add_to(app)
app.add_typer(da.app, name="da")
app.add_typer(stake.app, name="stake")
app.add_typer(storage.app, name="storage")
app.add_typer(node.app, name="node")
app.add_typer(kv.app, name="kv")
compute_measures.add_to(compute.app)
app.add_typer(compute.app, name="compute")
app.add_typer(jobs.app, name="jobs")
app.add_typer(key.app, name="key")
app.add_typer(provider.app, name="provider")
app.add_typer(attest.app, name="attest")
app.add_typer(attack.app, name="attack")
agent_leases.add_to(agent.app)
agent_run.add_to(agent.app)
agent_host.add_to(agent.app)
app.add_typer(agent.app, name="agent")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        app(args=words, prog_name="apogee")
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else ExitCode.DONE
        if code == ExitCode.INTERRUPTED:
            say("interrupted")
        return code
    except ApogeeError as error:
        print_error(error, as_json="--json" in words)
        return exit_code_of(error)
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
