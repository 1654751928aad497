"""Where a chain, its contracts and a gateway are.

A gateway writes <home>/connection.json when it starts:
  {"version": 1, "chain_id": 31337, "rpc_url": "http://127.0.0.1:8545", "gateway_url": "http://..",
   "deployments": "/home/../deployments/devnet.json", "api_key_file": "/home/../keys/gateway.key"}
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from offchain.sdk.errors import ConnectionMalformed, ConnectionMissing

FILE: Final = "connection.json"
VERSION: Final = 1
SIMULATED_ROOT: Final = Path("devnet") / "tee" / "root.der"


@dataclass(frozen=True, slots=True)
class Connection:
    """`deployments` names the file with the contracts' addresses. Without a gateway a client
    reads, samples and asks for states, and cannot publish. `simulated_root`: the certificate of a
    devnet's software TEE, which counts on local chains only.
    """

    rpc_url: str
    deployments: Path
    gateway_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    simulated_root: Path | None = None

    @classmethod
    def at_home(cls, home: Path | str = ".apogee") -> "Connection":
        """The connection of a home in which `apogee up` runs.

        Raises: ConnectionMissing, ConnectionMalformed.
        """
        path = Path(home).expanduser() / FILE
        try:
            found = json.loads(path.read_text())
            if found["version"] != VERSION:
                raise ConnectionMalformed(file=FILE, version=found["version"])
            key = Path(found["api_key_file"]).read_text().strip()
            return cls(
                rpc_url=str(found["rpc_url"]),
                deployments=Path(found["deployments"]),
                gateway_url=str(found["gateway_url"]),
                api_key=key,
                simulated_root=path.parent / SIMULATED_ROOT,
            )
        except FileNotFoundError as error:
            raise ConnectionMissing(file=error.filename) from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConnectionMalformed(file=FILE, reason=str(error)[:200]) from error
