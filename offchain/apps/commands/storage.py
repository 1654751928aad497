"""storage put, get, ls, stat, renew, rm, quote, key: files kept for pay by many nodes."""

from pathlib import Path
from typing import Annotated

import typer

from offchain.apps.commands.options import DryRun, HomeFolder, Json, Quiet, RpcUrl, home_of

app = typer.Typer(
    help="Files kept for pay by many nodes: encrypted, erasure coded, proven, repaired.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Reference = Annotated[str, typer.Argument(help="A file's id or root, 64 hex digits.")]
Profile = Annotated[
    str, typer.Option(help="solo, local, standard, durable, hot or replica; see `quote`.")
]
Term = Annotated[str, typer.Option(help="How long: 30d, 6m, 1y.")]
PutTerm = Annotated[
    str | None, typer.Option(help="How long: 30d, 6m, 1y. Default: 30d, or the longest there is.")
]
MaxPrice = Annotated[
    str | None, typer.Option(help="Pay at most this: 0.2eth, 5gwei. Default: what is quoted.")
]
Public = Annotated[bool, typer.Option("--public", help="Store plain bytes that anybody may read.")]
To = Annotated[
    list[str] | None,
    typer.Option("--to", help="Let this reader open it too: what `apogee storage key` prints."),
]


@app.command()
def put(  # noqa: PLR0913, PLR0917 - one parameter a flag
    path: Annotated[Path | None, typer.Argument(help="A file or a folder.")] = None,
    profile: Profile = "durable",
    term: PutTerm = None,
    max_price: MaxPrice = None,
    public: Public = False,
    to: To = None,
    resume: Annotated[
        str | None, typer.Option(help="Go on with the put whose id begins so.")
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Do not go on with an earlier put of this path.")
    ] = False,
    dry_run: DryRun = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Encrypt, pay for, send and have a file or folder signed for; interrupted, repeat it.

    Example: apogee storage put model/ --profile durable --term 1y --max-price 0.2eth
    """
    from offchain.apps import storage

    del quiet
    wish = storage.PutWish(
        path=path,
        profile=profile,
        term=term,
        max_price=max_price,
        is_public=public,
        readers=tuple(to or ()),
        resume=resume,
        is_fresh=new,
    )
    place = storage.Place(home_of(home), rpc_url, as_json)
    return storage.dry_put(place, wish) if dry_run else storage.put(place, wish)


@app.command()
def get(  # noqa: PLR0913, PLR0917 - one parameter a flag
    reference: Reference,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it. Default: its id.")
    ] = None,
    byte_range: Annotated[
        str | None, typer.Option("--range", help="Only bytes A-B, both included.")
    ] = None,
    inclusion: Annotated[
        bool, typer.Option("--inclusion", help="Check paths only: faster, see the manual.")
    ] = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="The bytes as they are stored: sealed, packed.")
    ] = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Fetch a file or folder, every byte verified against its root; goes on where it stopped.

    Example: apogee storage get 7f3a.. -o model
    """
    from offchain.apps import storage

    del quiet
    place = storage.Place(home_of(home), rpc_url, as_json)
    if byte_range is not None:
        return storage.get_range(place, reference, output, byte_range, is_raw=raw)
    return storage.get(place, reference, output, is_inclusion=inclusion, is_raw=raw)


@app.command("ls")
def list_files(
    owner: Annotated[str | None, typer.Option(help="Another account's files.")] = None,
    expiring: Annotated[str | None, typer.Option(help="Only those that end within: 30d.")] = None,
    unfinished: Annotated[
        bool, typer.Option("--open", help="Only puts that can be resumed.")
    ] = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """What this account stores, and what can be resumed.  Example: apogee storage ls --json"""
    from offchain.apps import storage_terms
    from offchain.apps.storage import Place

    place = Place(home_of(home), rpc_url, as_json)
    if unfinished:
        return storage_terms.list_open(place)
    return storage_terms.list_files(place, owner=owner, expiring=expiring)


@app.command()
def stat(
    reference: Reference, home: HomeFolder = None, rpc_url: RpcUrl = None, as_json: Json = False
) -> int:
    """A file's state, term and seats, each seat asked.  Example: apogee storage stat 7f3a.."""
    from offchain.apps import storage_terms
    from offchain.apps.storage import Place

    return storage_terms.stat(Place(home_of(home), rpc_url, as_json), reference)


@app.command()
def renew(  # noqa: PLR0913, PLR0917 - one parameter a flag
    reference: Annotated[str | None, typer.Argument(help="A file's id.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every stored file of this account.")
    ] = False,
    term: Term = "30d",
    max_price: MaxPrice = None,
    auto: Annotated[
        bool,
        typer.Option("--auto", help="Again and again, by a standing order: as `storage order`."),
    ] = False,
    dry_run: DryRun = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Buy more time for a file.  Example: apogee storage renew 7f3a.. --term 1y"""
    from offchain.apps import storage_orders, storage_terms
    from offchain.apps.storage import Place

    if auto:
        standing = storage_orders.OrderWish(
            reference=reference, is_all=everything, term=term, limit=max_price, is_dry=dry_run
        )
        return storage_orders.order(Place(home_of(home), rpc_url, as_json), standing)
    wish = storage_terms.RenewWish(reference, everything, term, max_price, dry_run)
    return storage_terms.renew(Place(home_of(home), rpc_url, as_json), wish)


@app.command()
def order(  # noqa: PLR0913, PLR0917 - one parameter a flag
    reference: Annotated[str | None, typer.Argument(help="A file's id.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every stored file of this account.")
    ] = False,
    term: Term = "30d",
    limit: Annotated[
        str | None, typer.Option(help="Most that one renewal may cost, e.g. 0.2eth.")
    ] = None,
    funds: Annotated[
        str | None, typer.Option(help="To leave there in all. Default: one renewal's limit.")
    ] = None,
    end: Annotated[bool, typer.Option("--end", help="End it and take back what is left.")] = False,
    dry_run: DryRun = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Let a file be renewed by itself.  Example: apogee storage order 7f3a.. --term 1y"""
    from offchain.apps import storage_orders
    from offchain.apps.storage import Place

    place = Place(home_of(home), rpc_url, as_json)
    wish = storage_orders.OrderWish(
        reference=reference,
        is_all=everything,
        term=term,
        limit=limit,
        funds=funds,
        is_end=end,
        is_dry=dry_run,
    )
    return storage_orders.order(place, wish)


@app.command("rm")
def remove(
    reference: Reference,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: DryRun = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """End a file's term; the rest comes back.  Example: apogee storage rm 7f3a.. --yes"""
    from offchain.apps import storage_terms
    from offchain.apps.storage import Place

    place = Place(home_of(home), rpc_url, as_json)
    return storage_terms.remove(place, reference, is_sure=yes, is_dry=dry_run)


@app.command()
def quote(  # noqa: PLR0913, PLR0917 - one parameter a flag
    path: Annotated[Path | None, typer.Argument(help="A file or a folder.")] = None,
    size: Annotated[int | None, typer.Option("--bytes", min=1, help="Or so many bytes.")] = None,
    term: Term = "30d",
    public: Public = False,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """What it costs, profile by profile.  Example: apogee storage quote model/ --term 1y"""
    from offchain.apps import storage_terms
    from offchain.apps.storage import Place

    place = Place(home_of(home), rpc_url, as_json)
    return storage_terms.quote(place, path, size, term=term, is_public=public)


@app.command()
def key(home: HomeFolder = None, as_json: Json = False) -> int:
    """The public key to which others let you read.  Example: apogee storage key"""
    from offchain.apps import storage_terms

    return storage_terms.show_key(home_of(home), as_json=as_json)
