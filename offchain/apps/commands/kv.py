"""kv create, get, put, cas, append, scan, watch, grant, revoke, proof, snapshot: streams."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from offchain.apps.commands.options import HomeFolder, Json, RpcUrl, home_of

if TYPE_CHECKING:
    from offchain.apps.kv_home import Place

app = typer.Typer(
    help="Key-value streams: signed writes in one order, every read proven.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Stream = Annotated[str, typer.Argument(help="What `apogee kv create` printed, 64 hex digits.")]
Key = Annotated[str, typer.Argument(help="Any text of 1 to 1,024 bytes.")]
Value = Annotated[str, typer.Argument(help="Text of at most 65,536 bytes.")]
Node = Annotated[
    str | None,
    typer.Option(
        "--node",
        help="A storage node to go through: its URL, or its number in this home. Default: the "
        "chain itself.",
    ),
]
Who = Annotated[str, typer.Argument(help="An address, or the 64 bytes of a P-256 key, in hex.")]


@app.command()
def create(
    salt: Annotated[
        str | None, typer.Option(help="A name; the same one is the same stream.")
    ] = None,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """A stream of this home's storage account.  Example: apogee kv create --salt notes"""
    from offchain.apps import kv

    return kv.create(_place(home, rpc_url, as_json=as_json), salt=salt)


@app.command()
def get(  # noqa: PLR0913, PLR0917 - one parameter a flag
    stream: Stream,
    key: Key,
    node: Node = None,
    label: Annotated[str, typer.Option(help="How sure: hot, logged or final.")] = "logged",
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """A value; ends with 1 when there is none.  Example: apogee kv get STREAM name"""
    from offchain.apps import kv

    place = _place(home, rpc_url, node, as_json=as_json)
    return kv.read(place, stream, key, is_proof=False, label=label)


@app.command()
def put(  # noqa: PLR0913, PLR0917 - one parameter a flag
    stream: Stream,
    key: Key,
    value: Value,
    node: Node = None,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Write a value.  Example: apogee kv put STREAM name Ada"""
    from offchain.apps import kv
    from offchain.storage.kv.op import Mode

    place = _place(home, rpc_url, node, as_json=as_json)
    return kv.write(place, stream, Mode.PUT, key, value.encode(), expected=0)


@app.command()
def cas(  # noqa: PLR0913, PLR0917 - one parameter a flag
    stream: Stream,
    key: Key,
    value: Value,
    expected: Annotated[str, typer.Option(help="The version to replace, or `absent`.")],
    node: Node = None,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Write if nobody wrote in between.  Example: apogee kv cas STREAM n 2 --expected 65536"""
    from offchain.apps import kv
    from offchain.apps.kv_home import expected_version
    from offchain.storage.kv.op import Mode

    place = _place(home, rpc_url, node, as_json=as_json)
    version = expected_version(expected)
    return kv.write(place, stream, Mode.CAS, key, value.encode(), expected=version)


@app.command()
def append(  # noqa: PLR0913, PLR0917 - one parameter a flag
    stream: Stream,
    key: Key,
    value: Value,
    node: Node = None,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Add an element to a list.  Example: apogee kv append STREAM log 'it rained'"""
    from offchain.apps import kv
    from offchain.storage.kv.op import Mode

    place = _place(home, rpc_url, node, as_json=as_json)
    return kv.write(place, stream, Mode.APPEND, key, value.encode(), expected=0)


@app.command()
def scan(  # noqa: PLR0913, PLR0917 - one parameter a flag
    stream: Stream,
    node: Node = None,
    prefix: Annotated[str, typer.Option(help="Only keys that begin so.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 1_000,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Keys in order.  Example: apogee kv scan STREAM --prefix user/"""
    from offchain.apps import kv

    place = _place(home, rpc_url, node, as_json=as_json)
    return kv.scan(place, stream, prefix=prefix, limit=limit)


@app.command()
def watch(
    stream: Stream,
    node: Node = None,
    prefix: Annotated[str, typer.Option(help="Only keys that begin so.")] = "",
    count: Annotated[int | None, typer.Option(min=1, help="Stop after so many entries.")] = None,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
) -> int:
    """One JSON line for each entry that writes.  Example: apogee kv watch STREAM"""
    from offchain.apps import kv

    return kv.watch(_place(home, rpc_url, node, as_json=True), stream, prefix=prefix, count=count)


@app.command()
def grant(  # noqa: PLR0913, PLR0917 - one parameter a flag
    stream: Stream,
    who: Who,
    role: Annotated[str, typer.Option(help="admin, writer or key-writer.")] = "writer",
    prefix: Annotated[str, typer.Option(help="Keys of a key-writer begin so.")] = "",
    quota: Annotated[int, typer.Option(min=0, help="Bytes in all; 0: no limit.")] = 0,
    expiry: Annotated[int, typer.Option(min=0, help="Chain time in seconds; 0: never.")] = 0,
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """Let a writer in.  Example: apogee kv grant STREAM 0x.. --role key-writer --prefix chat/"""
    from offchain.apps import kv

    right = kv.Right(role, prefix, quota, expiry)
    return kv.grant(_place(home, rpc_url, as_json=as_json), stream, who, right)


@app.command()
def revoke(
    stream: Stream, who: Who, home: HomeFolder = None, rpc_url: RpcUrl = None, as_json: Json = False
) -> int:
    """Take every right of a writer.  Example: apogee kv revoke STREAM 0x.."""
    from offchain.apps import kv

    return kv.revoke(_place(home, rpc_url, as_json=as_json), stream, who)


@app.command()
def proof(stream: Stream, key: Key, home: HomeFolder = None, rpc_url: RpcUrl = None) -> int:
    """A value or its absence with the proof under the final root, as JSON.

    Example: apogee kv proof STREAM name
    """
    from offchain.apps import kv

    return kv.read(_place(home, rpc_url, as_json=True), stream, key, is_proof=True)


@app.command()
def snapshot(
    stream: Stream,
    file: Annotated[Path, typer.Argument(help="Where to write it.")],
    home: HomeFolder = None,
    rpc_url: RpcUrl = None,
    as_json: Json = False,
) -> int:
    """The final state as a file for `apogee storage put`.  Example: apogee kv snapshot STREAM s"""
    from offchain.apps import kv

    return kv.snapshot(_place(home, rpc_url, as_json=as_json), stream, file)


def _place(
    home: Path | None, rpc_url: str | None, node: str | None = None, *, as_json: bool
) -> "Place":
    from offchain.apps.kv_home import Place

    return Place(home_of(home), rpc_url, node, as_json)
