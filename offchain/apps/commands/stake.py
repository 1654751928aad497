"""stake register, join, delegate, exit, withdraw, status: money behind a promise."""

from pathlib import Path
from typing import Annotated

import typer

from offchain.apps.commands.options import HomeFolder, Json, RpcUrl
from offchain.apps.home import Home

app = typer.Typer(
    help="Stake: register a key, lock money, delegate, leave.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Role = Annotated[str, typer.Option("--as", help="Which role of this home acts.")]
Service = Annotated[str, typer.Option(help="da, storage, compute, relayer or alignment.")]
Amount = Annotated[str, typer.Argument(help="Such as 100, 0.2eth, 5gwei.")]


@app.command()
def register(
    role: Role = "me", home: HomeFolder = None, rpc_url: RpcUrl = None, as_json: Json = False
) -> int:
    """Become an operator: keys, proof of possession.  Example: apogee stake register --as me"""
    from offchain.apps import stake

    return stake.register(stake.actor(_home(home), rpc_url, role), as_json=as_json)


@app.command()
def join(
    amount: Amount,
    service: Service = "da",
    role: Role = "me",
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Lock own stake in a service.  Example: apogee stake join 100 --service da"""
    from offchain.apps import stake

    return stake.join(stake.actor(_home(home), rpc_url, role), service, amount, as_json=as_json)


@app.command()
def delegate(
    pool: Annotated[int, typer.Argument(help="A pool of `apogee stake status`.")],
    amount: Amount,
    role: Role = "me",
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Put money behind somebody's pool.  Example: apogee stake delegate 257 5eth"""
    from offchain.apps import stake

    return stake.delegate(stake.actor(_home(home), rpc_url, role), pool, amount, as_json=as_json)


@app.command("exit")
def exit_(
    amount: Amount,
    service: Service = "da",
    role: Role = "me",
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Ask for own stake back; it matures later.  Example: apogee stake exit 50"""
    from offchain.apps import stake

    who = stake.actor(_home(home), rpc_url, role)
    return stake.exit_pool(who, service, amount, as_json=as_json)


@app.command()
def withdraw(
    ticket: Annotated[int, typer.Argument(help="What `apogee stake exit` printed.")],
    role: Role = "me",
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Take out what has matured.  Example: apogee stake withdraw 1"""
    from offchain.apps import stake

    return stake.withdraw(stake.actor(_home(home), rpc_url, role), ticket, as_json=as_json)


@app.command()
def status(home: HomeFolder = None, rpc_url: RpcUrl = None, as_json: Json = False) -> int:
    """Every operator of this home.  Example: apogee stake status --json"""
    from offchain.apps import stake

    return stake.print_stakes(_home(home), rpc_url, as_json=as_json)


def _home(home: Path | None) -> Home:
    from offchain.apps.settings import ProcessSettings, read_settings

    return Home.at(read_settings(ProcessSettings, home=home).home)
