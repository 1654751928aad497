"""The one command, `apogee`: parses, calls one function of apps, and turns errors into exit codes.

Heavy imports happen inside the commands, so that `apogee --help` answers at once.
"""

import sys

import click
import typer

from offchain.apps.commands import chain_processes, da, stake, system
from offchain.apps.exit_codes import ExitCode, exit_code_of
from offchain.apps.output import print_error, say
from offchain.core.errors import ApogeeError

app = typer.Typer(
    name="apogee",
    help="A decentralised AI operating system: chain, staking, slashing and data availability.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
system.add_to(app)
chain_processes.add_to(app)
app.add_typer(da.app, name="da")
app.add_typer(stake.app, name="stake")


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    try:
        code = app(args=words, prog_name="apogee", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return ExitCode.WRONG_INPUT
    except (KeyboardInterrupt, click.Abort):
        say("interrupted")
        return ExitCode.INTERRUPTED
    except ApogeeError as error:
        print_error(error, as_json="--json" in words)
        return exit_code_of(error)
    return int(code or ExitCode.DONE)


if __name__ == "__main__":
    sys.exit(main())
