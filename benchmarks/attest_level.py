"""From a quote laid out to a level on chain: four relayers in their own process, on Anvil.

  python -m benchmarks.attest_level [--rounds 5] [--json]

A devnet with four staked operators and `apogee relayer`, over sockets. The subject is this process:
its face, its enclave, and the chore that a provider runs. Each round is another key pair, so
another quote. The figure is the slowest round, in wall time: it is mostly two polls and two blocks.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from fastapi import FastAPI

from benchmarks.rows import Row, at_most, flags_of, show
from offchain.apps.attestation import chain_relay, open_enclave, relay_clients
from offchain.apps.demo.epochs import enter_served_epoch
from offchain.apps.demo.stage import staged
from offchain.apps.keystore import Keystore
from offchain.apps.network import Network, address_of, open_sender
from offchain.apps.provider_home import DEFAULT_ROLE, receipts_role
from offchain.apps.provider_init import ProviderInit, Wish, specs_of
from offchain.apps.provider_tee import LEVEL_SECONDS
from offchain.apps.settings import UpSettings
from offchain.apps.stake import Actor
from offchain.apps.system import System
from offchain.attestation.adapters.chain_relay import ChainRegistryActs
from offchain.attestation.adapters.http_relayer import relayer_server
from offchain.attestation.adapters.http_subject import add_offers
from offchain.attestation.collect import Collect
from offchain.attestation.evidence_desk import SubjectDesk
from offchain.attestation.evidence_shelf import EvidenceShelf
from offchain.attestation.keep_level import KeepLevel, LevelParts
from offchain.attestation.report_data import key_hash
from offchain.chain.keys import LocalSigner
from offchain.node.disk import LocalDisk
from offchain.node.face_routes import Counters, add_errors

ROUNDS: Final = 5
NODES: Final = 4
BAR_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 60.0
COMMAND: Final = "python -m benchmarks.attest_level"


def run(rounds: int = ROUNDS) -> list[Row]:
    """Bring a devnet up, measure, take it down."""
    with staged(UpSettings(nodes=NODES, backend="anvil"), None) as system:
        init = bring_up(system)
        seconds = asyncio.run(measure(system, init, rounds))
    return [
        at_most("attest.to_level.s", max(seconds), "s, slowest", BAR_SECONDS, command=COMMAND),
        at_most("attest.to_level.least_s", min(seconds), "s, quickest", None, command=COMMAND),
    ]


def bring_up(system: System) -> ProviderInit:
    """Chain, contracts, four relayers, and a registered service whose stake counts."""
    system.start_chain()
    system.deploy()
    system.enrol()
    system.open_table()
    system.admit_code()
    network = system.network()
    actor = Actor(system.home, network, DEFAULT_ROLE, as_json=True)
    specs = specs_of(["scripted"], url=None, numerics="fp32", device="cpu")
    init = ProviderInit(actor, Wish(specs=specs))
    for _ in init.steps():
        pass
    for _ in range(2):
        enter_served_epoch(system, network)
    system.launch_relayer()
    system.wait_relayer()
    return init


async def measure(system: System, init: ProviderInit, rounds: int) -> list[float]:
    """Seconds from laying a quote out to its level, each round."""
    network, keys = system.network(), [b"\0" * 32]
    [offered] = init.file().offered
    signer = LocalSigner.from_secret(
        Keystore(system.home.keys).account(receipts_role(DEFAULT_ROLE)).secret
    )
    account = Keystore(system.home.keys).account(DEFAULT_ROLE)
    ledger, collect = chain_relay(network), Collect()
    shelf = EvidenceShelf(LocalDisk(), system.home.root / "subject")
    with open_sender(network, system.home, DEFAULT_ROLE, account) as sender:
        keep = KeepLevel(
            LevelParts(
                ledger=ledger,
                acts=ChainRegistryActs(relay_clients(network), sender),
                enclave=open_enclave(network, system.home),
                collect=collect,
                shelf=shelf,
                signers={offered.service: signer.address},
                keys=lambda: (keys[0], b""),
            )
        )
        desk = SubjectDesk(address_of(account), ledger, collect, shelf)
        found = []
        async with face(desk, init.file().port):
            for number in range(1, rounds + 1):
                keys[0] = number.to_bytes(32, "big")
                found.append(await one_round(keep, partial(is_live, network, signer, keys[0])))
    return found


async def one_round(keep: KeepLevel, is_done: Callable[[], bool]) -> float:
    """Lay out, then do the chore in its rhythm until the level is there."""
    started = time.perf_counter()
    while not is_done():
        await keep.round()
        if time.perf_counter() - started > PATIENCE_SECONDS:
            raise TimeoutError("no level: read the relayer's log")
        await asyncio.sleep(LEVEL_SECONDS)
    return time.perf_counter() - started


def is_live(network: Network, signer: LocalSigner, key: bytes) -> bool:
    """Whether the signer's live verdict speaks of this key."""
    ledger = chain_relay(network)
    found = ledger.live(signer.address, ledger.head())
    return found is not None and found.verdict.enc_key_hash == key_hash(key)


@asynccontextmanager
async def face(desk: SubjectDesk, port: int) -> AsyncIterator[None]:
    """The subject's process, as relayers reach it."""
    app = FastAPI()
    add_errors(app, Counters())
    add_offers(app, desk)
    server = relayer_server(app, port)
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield
    finally:
        server.should_exit = True
        await serving


def main() -> int:
    parser = flags_of(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    return show(run(asked.rounds), as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
