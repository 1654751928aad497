"""The doctor's checks of a home's chain: answers, clock, precompiles, contracts, storage seats."""

import hashlib
import time
from collections.abc import Iterator
from typing import Final

from offchain.apps.doctor import Check, Finding, Level
from offchain.apps.home import Home, Manifest
from offchain.apps.rpc_probe import NoAnswer, RpcProbe
from offchain.core.bls import R

MAX_DRIFT_SECONDS: Final = 60
_INFINITY: Final = b"\xc0" + bytes(47)  # the point at infinity, 48 bytes compressed
_WORD: Final = 32


def check_chain(home: Home) -> Iterator[Finding]:
    """The chain answers with the id this home was made for; its clock is not far from ours."""
    found = _chain_of(home)
    if found is None:
        return
    manifest, rpc = found
    chain_id = rpc.number("eth_chainId")
    if chain_id != manifest.chain_id:
        detail = f"chain id {chain_id}, this home was made for {manifest.chain_id}"
        yield Finding("chain id", Level.FAIL, detail, "apogee down, then apogee up")
    else:
        yield Finding("chain id", Level.OK, f"{chain_id}, block {rpc.number('eth_blockNumber')}")
    drift = rpc.head_time() - int(time.time())
    if abs(drift) <= MAX_DRIFT_SECONDS:
        yield Finding("clock", Level.OK, f"newest block {drift:+d} s from this machine's clock")
    else:
        detail = f"newest block {drift:+d} s from this machine's clock"
        yield Finding("clock", Level.WARN, detail, "expected after time travel; else set the clock")


def check_precompiles(home: Home) -> Iterator[Finding]:
    """BLS12-381 and point evaluation answer with the right length: absent ones answer nothing."""
    found = _chain_of(home)
    if found is None:
        return
    _, rpc = found
    wrong = [
        name
        for name, address, data, answer in precompile_questions()
        if _call(rpc, address, data) != answer
    ]
    if wrong:
        detail = "absent or wrong: " + ", ".join(wrong)
        yield Finding("precompiles", Level.FAIL, detail, "use a chain with the Prague fork")
    else:
        yield Finding("precompiles", Level.OK, "BLS12-381 and KZG point evaluation answer")


def check_contracts(home: Home) -> Iterator[Finding]:
    """Every contract of this home is on its chain, and is the one this checkout compiles."""
    from offchain.apps.network import connect, deployment_file
    from offchain.chain.deployments import verify_deployments

    found = _chain_of(home)
    if found is None:
        return
    file = deployment_file(home.deployments)
    if not file.exists():
        yield Finding("contracts", Level.FAIL, "none deployed", "apogee up")
        return
    network = connect(found[0].url("devnet"), file)
    verify_deployments(network.deployments, network.node, at=network.node.block().hash)
    count = len(network.deployments.contracts)
    yield Finding("contracts", Level.OK, f"{count} deployed, code and sources as compiled here")


def check_storage(home: Home) -> Iterator[Finding]:
    """Groups of storage are open, and every seat of this home's operators serves."""
    from offchain.apps.keystore import Keystore
    from offchain.apps.network import address_of, connect, deployment_file
    from offchain.apps.storage_chores import group_events, storage_ledger
    from offchain.storage.model import GroupState, SeatState

    found, file = _chain_of(home), deployment_file(home.deployments)
    if found is None or not file.exists():
        return
    network = connect(found[0].url("devnet"), file)
    block, keystore, ledger = network.node.block(), Keystore(home.keys), storage_ledger(network)
    accounts = [address_of(keystore.account(role)) for role in keystore.bls_roles()]
    own = {network.stake.operator_of(one, at=block.hash) for one in accounts} - {0}
    groups = [ledger.group_at(one, block) for one in group_events(network).groups(block)]
    living = [one for one in groups if one.state in {GroupState.OPEN, GroupState.FULL}]
    if not living:
        detail = "no group is drawn yet, so nothing can be stored"
        yield Finding("storage", Level.WARN, detail, "wait for the next epoch; is the worker up?")
    for group in living:
        seats = [one for one in group.seats if one.operator in own]
        sick = [one for one in seats if one.state in {SeatState.SUSPECT, SeatState.VACANT}]
        name = f"storage group {group.group}"
        if sick:
            states = ", ".join(f"{one.seat} {one.state.name.lower()}" for one in sick)
            detail = f"{group.profile.name}, own seats {states}: unpaid"
            yield Finding(name, Level.WARN, detail, "apogee logs storage-node-N")
        else:
            yield Finding(name, Level.OK, f"{group.profile.name}, {len(seats)} own seats serve")


def precompile_questions() -> list[tuple[str, int, bytes, bytes]]:
    """Name, address, input and the one right answer of each precompile the contracts need."""
    versioned_hash = b"\x01" + hashlib.sha256(_INFINITY).digest()[1:]
    opening = versioned_hash + bytes(2 * _WORD) + _INFINITY + _INFINITY
    return [
        ("point evaluation 0x0a", 0x0A, opening, _word(4_096) + _word(R)),
        ("G1 add 0x0b", 0x0B, bytes(256), bytes(128)),
        ("G2 add 0x0d", 0x0D, bytes(512), bytes(256)),
        ("pairing 0x0f", 0x0F, bytes(384), _word(1)),
    ]


def _chain_of(home: Home) -> tuple[Manifest, RpcProbe] | None:
    """The home's chain, or None when there is none to look at: the processes check says so."""
    if not home.manifest.exists():
        return None
    manifest = Manifest.load(home)
    rpc = RpcProbe(manifest.url("devnet"))
    try:
        rpc.number("eth_chainId")
    except NoAnswer:
        return None
    return manifest, rpc


def _call(rpc: RpcProbe, address: int, data: bytes) -> bytes:
    try:
        return rpc.call(f"0x{address:040x}", data)
    except NoAnswer:  # a revert; "no node" was ruled out before
        return b""


def _word(value: int) -> bytes:
    return value.to_bytes(_WORD, "big")


CHAIN_CHECKS: Final[tuple[Check, ...]] = (
    check_chain,
    check_precompiles,
    check_contracts,
    check_storage,
)
