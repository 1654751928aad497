"""`apogee status`: processes, the chain's head, operators, their stake, nodes and seats."""

from offchain.apps.exit_codes import ExitCode
from offchain.apps.home import Home, Manifest
from offchain.apps.lifecycle import load_manifest, process_rows
from offchain.apps.output import print_json, print_table
from offchain.apps.rpc_probe import NoAnswer, RpcProbe


def print_status(home: Home, *, as_json: bool) -> int:
    """Print what runs; 6 when something that should run does not answer."""
    manifest = load_manifest(home)
    rows = process_rows(home, manifest)
    chain = _chain(manifest)
    operators = _operators(home, manifest) if chain else []
    if as_json:
        print_json(
            {
                "home": str(home.root),
                "processes": [
                    {"name": r.name, "state": r.state, "pid": r.pid, "url": r.url} for r in rows
                ],
                "chain": chain,
                "operators": operators,
            }
        )
    else:
        cells = [(r.name, r.state, r.pid, r.url, r.detail) for r in rows]
        print_table(str(home.root), ("process", "health", "pid", "url", ""), cells)
        if operators:
            columns = tuple(operators[0])
            print_table("operators", columns, [tuple(one.values()) for one in operators])
    is_down = any(row.state == "unhealthy" for row in rows)
    return ExitCode.UNAVAILABLE if is_down else ExitCode.DONE


def _chain(manifest: Manifest) -> dict[str, object] | None:
    rpc = RpcProbe(manifest.url("devnet"))
    try:
        return {
            "chain_id": rpc.number("eth_chainId"),
            "block": rpc.number("eth_blockNumber"),
            "time": rpc.head_time(),
            "backend": manifest.backend,
        }
    except NoAnswer:
        return None


def _operators(home: Home, manifest: Manifest) -> list[dict[str, object]]:
    """Id, stake and membership of every operator of this home, all at one block."""
    from offchain.apps.keystore import Keystore
    from offchain.apps.network import address_of, connect, deployment_file
    from offchain.apps.operators import pool_of
    from offchain.core.units import WEI_PER_COIN

    file = deployment_file(home.deployments)
    if not file.exists():
        return []
    network = connect(manifest.url("devnet"), file)
    at = network.node.block().hash
    keystore = Keystore(home.keys)
    found: list[dict[str, object]] = []
    for role in keystore.roles():
        account = keystore.account(role)
        operator = network.stake.operator_of(address_of(account), at=at)
        if not operator:
            continue
        pool = network.stake.pool_state(pool_of(operator), at=at)
        found.append(
            {
                "role": role,
                "operator": operator,
                "address": account.address,
                "own_coins": str(pool.own / WEI_PER_COIN),
                "member": network.stake.is_member(pool_of(operator), at=at),
                "endpoint": network.signers.endpoint(operator, at=at),
                "storage_endpoint": network.draws.endpoint(operator, at=at),
                "seats": network.draws.load_of(operator, at=at).seats,
            }
        )
    return found
