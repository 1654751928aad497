"""The connection file: what a gateway writes is what a program reads, and nothing half of it."""

import json
from pathlib import Path

import pytest

from offchain.sdk.connection import Connection
from offchain.sdk.errors import ConnectionMalformed, ConnectionMissing


def write(folder: Path, **changed: object) -> None:
    key = folder / "gateway.key"
    key.write_text("apg_secret\n")
    body = {
        "version": 1,
        "chain_id": 31_337,
        "rpc_url": "http://127.0.0.1:1",
        "deployments": str(folder / "devnet.json"),
        "gateway_url": "http://127.0.0.1:2",
        "api_key_file": str(key),
    }
    kept = {name: value for name, value in {**body, **changed}.items() if value is not None}
    (folder / "connection.json").write_text(json.dumps(kept))


def test_connection__of_a_home__is_what_its_gateway_wrote(tmp_path: Path) -> None:
    write(tmp_path)

    found = Connection.at_home(tmp_path)

    assert found == Connection(
        "http://127.0.0.1:1",
        tmp_path / "devnet.json",
        "http://127.0.0.1:2",
        "apg_secret",
        simulated_root=tmp_path / "devnet" / "tee" / "root.der",
    )
    assert "apg_secret" not in repr(found)


def test_connection__of_a_home_that_never_ran__is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConnectionMissing):
        Connection.at_home(tmp_path)


@pytest.mark.parametrize("changed", [{"version": 2}, {"rpc_url": None}, {"api_key_file": 7}])
def test_connection__that_makes_no_sense__is_malformed(
    changed: dict[str, object], tmp_path: Path
) -> None:
    write(tmp_path, **changed)

    with pytest.raises(ConnectionMalformed):
        Connection.at_home(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_connection__that_is_no_object__is_malformed(text: str, tmp_path: Path) -> None:
    (tmp_path / "connection.json").write_text(text)

    with pytest.raises(ConnectionMalformed):
        Connection.at_home(tmp_path)


def test_connection__whose_key_is_gone__is_missing(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "gateway.key").unlink()

    with pytest.raises(ConnectionMissing):
        Connection.at_home(tmp_path)
