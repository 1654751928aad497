"""stake register, join, delegate, exit, withdraw, claim ..: money behind a promise."""

import inspect
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offchain.apps.commands.options import DryRun, HomeFolder, Json, RpcUrl, home_of

if TYPE_CHECKING:
    from offchain.apps.stake import Actor

app = typer.Typer(
    help="Stake: register a key, lock money, delegate, earn, leave.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Role = Annotated[str, typer.Option("--as", help="Which role of this home acts.")]
Service = Annotated[str, typer.Option(help="da, storage, compute, relayer or alignment.")]
Amount = Annotated[str, typer.Argument(help="Such as 100, 0.2eth, 5gwei.")]
Pool = Annotated[int, typer.Argument(min=1, help="A pool of `apogee stake status`.")]
Ticket = Annotated[int, typer.Argument(min=0, help="What leaving printed.")]
Shares = Annotated[int | None, typer.Option(min=1, help="Default: all of them.")]
Bps = Annotated[int, typer.Argument(min=0, max=10_000, help="Of 10,000.")]


def _acting(name: str) -> Callable[[Callable[..., int]], Callable[..., int]]:
    """Register a command whose first parameter is who acts; its flags are the same everywhere."""

    def register_it(command: Callable[..., int]) -> Callable[..., int]:
        def run(
            *,
            role: str,
            home: Path | None,
            rpc_url: str | None,
            as_json: bool,
            dry_run: bool,
            **own: object,
        ) -> int:
            who = _actor(role, home, rpc_url, as_json=as_json, dry_run=dry_run)
            with closing(who):
                return command(who, **own)

        flags = inspect.signature(_flags).parameters
        words = list(inspect.signature(command).parameters.values())[1:]
        parameters = [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*words, *flags.values())
        ]
        run.__doc__ = command.__doc__
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        vars(run)["__signature__"] = inspect.Signature(parameters)
        app.command(name)(run)
        return command

    return register_it


def _flags(
    *,
    role: Role = "me",
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
    dry_run: DryRun = False,
) -> None:
    """The flags of every command that acts."""


@_acting("register")
def register(who: "Actor") -> int:
    """Become an operator: keys, proof of possession.  Example: apogee stake register --as me"""
    from offchain.apps import stake

    return stake.register(who)


@_acting("join")
def join(who: "Actor", amount: Amount, service: Service = "da") -> int:
    """Lock own stake in a service.  Example: apogee stake join 100 --service da"""
    from offchain.apps import stake

    return stake.join(who, service, amount)


@_acting("deposit")
def deposit(who: "Actor", amount: Amount, service: Service = "da") -> int:
    """Add to own stake.  Example: apogee stake deposit 50 --service relayer"""
    from offchain.apps import stake

    return stake.deposit(who, service, amount)


@_acting("delegate")
def delegate(who: "Actor", pool: Pool, amount: Amount) -> int:
    """Put money behind somebody's pool.  Example: apogee stake delegate 257 5eth"""
    from offchain.apps import stake

    return stake.delegate(who, pool, amount)


@_acting("undelegate")
def undelegate(who: "Actor", pool: Pool, shares: Shares = None) -> int:
    """Ask for delegated money back.  Example: apogee stake undelegate 257"""
    from offchain.apps import stake

    return stake.undelegate(who, pool, shares)


@_acting("redelegate")
def redelegate(who: "Actor", ticket: Ticket) -> int:
    """Move a matured ticket to the pool it names.  Example: apogee stake redelegate 1"""
    from offchain.apps import stake

    return stake.redelegate(who, ticket)


@_acting("claim")
def claim(who: "Actor", pool: Pool) -> int:
    """Take out rewards of a pool.  Example: apogee stake claim 257"""
    from offchain.apps import stake

    return stake.claim(who, pool)


@_acting("exit")
def exit_(who: "Actor", amount: Amount, service: Service = "da") -> int:
    """Ask for own stake back; it matures later.  Example: apogee stake exit 50"""
    from offchain.apps import stake

    return stake.exit_pool(who, service, amount)


@_acting("leave")
def leave(who: "Actor", service: Service = "da") -> int:
    """Give up the seat; all own stake unbonds.  Example: apogee stake leave --service da"""
    from offchain.apps import stake

    return stake.leave(who, service)


@_acting("unjail")
def unjail(who: "Actor", service: Service = "da") -> int:
    """Take the seat again after jail.  Example: apogee stake unjail --service da"""
    from offchain.apps import stake

    return stake.unjail(who, service)


@_acting("commission")
def commission(who: "Actor", bps: Bps, service: Service = "da") -> int:
    """Name the share of rewards.  Example: apogee stake commission 500"""
    from offchain.apps import stake

    return stake.commission(who, service, bps)


@_acting("withdraw")
def withdraw(who: "Actor", ticket: Ticket) -> int:
    """Take out what has matured.  Example: apogee stake withdraw 1"""
    from offchain.apps import stake

    return stake.withdraw(who, ticket)


@app.command()
def status(home: HomeFolder = None, rpc_url: RpcUrl = None, as_json: Json = False) -> int:
    """Every operator of this home.  Example: apogee stake status --json"""
    from offchain.apps import stake

    return stake.print_stakes(home_of(home), rpc_url, as_json=as_json)


def _actor(
    role: str, home: Path | None, rpc_url: str | None, *, as_json: bool, dry_run: bool
) -> "Actor":
    from offchain.apps.stake import actor

    return actor(home_of(home), rpc_url, role, as_json=as_json, is_dry=dry_run)
