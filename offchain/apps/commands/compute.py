"""compute list, quote, deposit, balance, withdraw, delegate, verify, ask, record, dispute."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offchain.apps.commands.options import DryRun, HomeFolder, Json, RpcUrl, home_of

if TYPE_CHECKING:
    from offchain.apps.stake import Actor

app = typer.Typer(
    help="Verified answers of language models: offers, prices, deposits, receipts.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Role = Annotated[str, typer.Option("--as", help="Whose money. Default: the gateway's.")]
Provider = Annotated[str, typer.Argument(help="A provider or service of `apogee compute list`.")]
GATEWAY = "gateway"


@app.command("list")
def list_offers(
    model: Annotated[str | None, typer.Argument(help="Only this model.")] = None,
    role: Role = GATEWAY,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Services, their prices and how verifiable they are.  Example: apogee compute list --json"""
    from offchain.apps import compute

    with closing(_actor(home, rpc_url, role, as_json=as_json)) as one:
        return compute.show_offers(one, model)


@app.command()
def quote(  # noqa: PLR0913, PLR0917 - one parameter a flag
    model: Annotated[str, typer.Argument(help="A model of `apogee compute list`.")],
    input_tokens: Annotated[int, typer.Option("--input", min=0, help="Tokens sent.")] = 1_000,
    output_tokens: Annotated[
        int, typer.Option("--output", min=0, help="Tokens answered; 0: the service's limit.")
    ] = 256,
    level: Annotated[str, typer.Option(help="Least verifiability: none, audited, ..")] = "none",
    max_price: Annotated[str | None, typer.Option(help="Such as 0.2eth, 5gwei.")] = None,
    role: Role = GATEWAY,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """What a request costs at most, before any deposit.

    Example: apogee compute quote smollm2-135m-instruct --input 500 --output 100
    """
    from offchain.apps import compute

    wish = compute.QuoteWish(model, input_tokens, output_tokens, level, max_price)
    with closing(_actor(home, rpc_url, role, as_json=as_json)) as one:
        return compute.quote(one, wish)


@app.command()
def deposit(  # noqa: PLR0913, PLR0917 - one parameter a flag
    provider: Provider,
    amount: Annotated[str, typer.Argument(help="Such as 1, 0.2eth, 5gwei.")],
    role: Role = GATEWAY,
    dry_run: DryRun = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Put money where one provider can be paid from it.

    Example: apogee compute deposit 0x1a2b.. 0.05eth --dry-run
    """
    from offchain.apps import compute

    with closing(_actor(home, rpc_url, role, as_json=as_json, dry_run=dry_run)) as one:
        return compute.deposit(one, provider, amount)


@app.command()
def balance(
    role: Role = GATEWAY, home: HomeFolder = None, rpc_url: RpcUrl = None, as_json: Json = False
) -> int:
    """What lies with each provider, and what is free.  Example: apogee compute balance"""
    from offchain.apps import compute

    with closing(_actor(home, rpc_url, role, as_json=as_json)) as one:
        return compute.balance(one)


@app.command()
def withdraw(  # noqa: PLR0913, PLR0917 - one parameter a flag
    provider: Annotated[str | None, typer.Argument(help="Whose bucket; none: free money.")] = None,
    amount: Annotated[str | None, typer.Argument(help="Default: all of it.")] = None,
    role: Role = GATEWAY,
    dry_run: DryRun = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Take money back: ask, wait for the lock, ask again, then without a provider.

    Example: apogee compute withdraw 0x1a2b.. 0.02eth
    """
    from offchain.apps import compute

    with closing(_actor(home, rpc_url, role, as_json=as_json, dry_run=dry_run)) as one:
        return compute.withdraw(one, provider, amount)


@app.command()
def delegate(  # noqa: PLR0913, PLR0917 - one parameter a flag
    key: Annotated[str, typer.Argument(help="Address of the key that may sign.")],
    cap: Annotated[str | None, typer.Argument(help="In total, such as 0.5eth.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3_650, help="It lasts so long.")] = 30,
    provider: Annotated[str | None, typer.Option(help="Only this one is paid by it.")] = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take it back.")] = False,
    role: Role = GATEWAY,
    dry_run: DryRun = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Let another key pay from this account's deposits, up to a cap.

    Example: apogee compute delegate 0x1a2b.. 0.5eth --days 7
    """
    from offchain.apps.compute_delegate import DelegateWish
    from offchain.apps.compute_delegate import delegate as give

    wish = DelegateWish(key, cap, days, provider, is_revoked=revoke)
    with closing(_actor(home, rpc_url, role, as_json=as_json, dry_run=dry_run)) as one:
        return give(one, wish)


@app.command()
def verify(
    receipt: Annotated[
        str, typer.Argument(help="An answer's id, a receipt's, or `last`.")
    ] = "last",
    role: Role = GATEWAY,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Check an answer that the gateway bought against the chain.

    Example: apogee compute verify last
    """
    from offchain.apps import records

    with closing(_actor(home, rpc_url, role, as_json=as_json)) as one:
        return records.verify(one, receipt)


@app.command()
def ask(  # noqa: PLR0913, PLR0917 - one parameter a flag
    service: Annotated[str, typer.Argument(help="A service's id of `apogee compute list`.")],
    text: Annotated[str, typer.Argument(help="What to ask.")],
    private: Annotated[
        bool, typer.Option("--private", help="Sealed: the gateway reads nothing.")
    ] = False,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens answered at most.")] = 128,
    level: Annotated[str, typer.Option(help="Least verifiability: none, audited, ..")] = "none",
    allow_simulated: Annotated[
        bool, typer.Option("--allow-simulated", help="Let a simulated TEE count; local chains.")
    ] = False,
    home: HomeFolder = None,
    as_json: Json = False,
) -> int:
    """Buy one answer through the gateway, and show it down to the machine that made it.

    Example: apogee compute ask 0x5f3a.. "Hello" --private --level broker_in_tee --allow-simulated
    """
    from offchain.apps import records

    wish = records.AskWish(
        service, text, max_tokens, level, is_private=private, allows_simulated=allow_simulated
    )
    return records.ask(home_of(home), wish, as_json=as_json)


@app.command()
def record(
    answer: Annotated[str, typer.Argument(help="An answer's id, a receipt's, or `last`.")] = "last",
    role: Role = GATEWAY,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Everything behind one answer: model, data, quote, verdict, signatures, blocks.

    Example: apogee compute record last --json
    """
    from offchain.apps import records

    with closing(_actor(home, rpc_url, role, as_json=as_json)) as one:
        return records.record(one, answer)


@app.command()
def dispute(
    answer: Annotated[str, typer.Argument(help="An answer's id, a receipt's, or `last`.")] = "last",
    role: Role = GATEWAY,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Have the price back of an answer whose evidence was void or never stood.

    Example: apogee compute dispute last
    """
    from offchain.apps import disputes

    with closing(_actor(home, rpc_url, role, as_json=as_json)) as one:
        return disputes.dispute(one, answer)


def _actor(
    home: Path | None, rpc_url: str | None, role: str, *, as_json: bool, dry_run: bool = False
) -> "Actor":
    from offchain.apps.stake import actor

    folder = home_of(home)
    return actor(folder, rpc_url, role, as_json=as_json, is_dry=dry_run)
