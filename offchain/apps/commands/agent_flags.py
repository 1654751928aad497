"""Flags that the commands of agents share, and how a command gets whom it acts for.

`acting` gives every command --as, --home, --rpc-url and --json, and hands it the role that acts:
none of them spells that again.
"""

import inspect
from collections.abc import Callable
from contextlib import closing
from functools import wraps
from pathlib import Path
from typing import Annotated, Final

import typer

from offchain.apps.commands.options import HomeFolder, Json, RpcUrl, home_of

TRADER: Final = "trader"
Role = Annotated[str, typer.Option("--as", help="Role of this home that acts.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Sign what is quoted without asking.")]
Token = Annotated[int, typer.Argument(min=1, help="A token of `apogee agent list`.")]
SaleNumber = Annotated[int, typer.Argument(min=1, help="The number that `buy` printed.")]
LeaseNumber = Annotated[int, typer.Argument(min=1, help="The number that `rent` printed.")]
OrderNumber = Annotated[int, typer.Argument(min=1, help="The number that `clone` printed.")]
Text = Annotated[str, typer.Argument(help="A file, `-` for stdin, or an http(s) URL.")]
Price = Annotated[str, typer.Argument(help="Such as 2, 0.2eth, 5gwei; of a token: base units.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Where to write it.")]
OutFile = Annotated[Path, typer.Option("--out", "-o", help="Where to write it.")]
Days = Annotated[float, typer.Option(min=0.001, max=365, help="It counts so long.")]
MaxPrice = Annotated[str | None, typer.Option("--max-price", help="Pay at most this.")]
RoyaltyMost = Annotated[
    float, typer.Option("--royalty-most", min=0, max=10, help="The most a royalty may take, %.")
]
CurrencyFlag = Annotated[
    str | None, typer.Option("--currency", help="An ERC-20, 0x..; default: the chain's coin.")
]

Budget = Annotated[str, typer.Option(help="The most it may spend: 0.2eth, 5gwei.")]
Deadline = Annotated[str, typer.Option(help="How long it may take: 90s, 15m, 1h.")]
SkillName = Annotated[str, typer.Option(help="A plan that it has; else its model plans.")]
Inputs = Annotated[
    list[str] | None, typer.Option("--input", help="name=value, for the plan; repeatable.")
]
RunName = Annotated[
    str | None, typer.Option("--run", help="A name for it; the same one is the same run.")
]

Command = Callable[..., int]
_KEYWORD: Final = inspect.Parameter.KEYWORD_ONLY
_SHARED: Final = (
    inspect.Parameter("role", _KEYWORD, default=TRADER, annotation=Role),
    inspect.Parameter("home", _KEYWORD, default=None, annotation=HomeFolder),
    inspect.Parameter("rpc_url", _KEYWORD, default=None, annotation=RpcUrl),
    inspect.Parameter("as_json", _KEYWORD, default=False, annotation=Json),
)


def acting(command: Command) -> Command:
    """A command that acts as a role of a home; what it takes after its Actor is its own."""
    own = inspect.signature(command)
    parameters = [*list(own.parameters.values())[1:], *_SHARED]

    @wraps(command)
    def run(
        *,
        role: str = TRADER,
        home: Path | None = None,
        rpc_url: str | None = None,
        as_json: bool = False,
        **given: object,
    ) -> int:
        from offchain.apps.stake import actor

        folder = home_of(home)
        with closing(actor(folder, rpc_url, role, as_json=as_json)) as one:
            return command(one, **given)

    run.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]  # typer reads it
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run
