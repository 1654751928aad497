"""Deploys what tests/support/trade_world.py is about, and seats its oracles."""

from pathlib import Path

from offchain.agents.adapters.storage_root import storage_engines
from offchain.agents.onchain_nft import AgentNFTClient
from offchain.agents.oracle import Oracle, OracleKeys, OracleParts
from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.contract import ContractClient, creation_call
from offchain.chain.contract_abi import artifact_names
from offchain.chain.deployments import Deployment, Deployments
from offchain.chain.dispatch import SenderPolicy
from offchain.chain.keys import LocalSigner
from offchain.chain.model import TypedCall
from offchain.chain.node import Node
from offchain.chain.sender import TransactionSender
from offchain.chain.token_accounts import bring_registry
from offchain.core.hashing import keccak
from offchain.node.journal import MemoryJournal
from offchain.storage.onchain_log import StorageLogClient
from scripts.build_abi import creation_code
from tests.support.audit_market import CountingClock
from tests.support.da_encoding import the_engine
from tests.support.trade_world import (
    FEE_BPS,
    TREASURY,
    WINDOWS,
    CoinClient,
    Person,
    PlainClient,
    SurroundingsClient,
    TetherClient,
    TradeWorld,
    built_twin,
    secret_of,
)

PEOPLE = ("governance", "seller", "buyer", "maker", "rival", "stranger")
ORACLES = 4  # one more than sign
DAY = 86_400


class _Deployer:
    """Puts one contract after the other on a chain."""

    def __init__(self, node: Node, sender: TransactionSender) -> None:
        self.node, self.sender = node, sender
        self.found = Deployments("trade", node.chain_id())

    def __call__(self, name: str, *arguments: object) -> bytes:
        if name in artifact_names():
            call = creation_call(name, creation_code(name), *arguments)
        else:
            call = TypedCall(None, built_twin(name)[1], 0, name, "__init__")
        receipt = self.sender.execute(call, key=f"deploy:{name}")
        assert receipt.contract_address is not None
        made = Deployment(name, receipt.contract_address, receipt.block_number, None, (), "", "")
        self.found = self.found.including(made)
        return bytes(made.address)

    def wire(self, client: type[ContractClient], *arguments: object) -> None:
        call = client(self.found, self.node)._build("wire", *arguments)
        self.sender.execute(call, key=f"wire:{client.contract}")


def open_trade_world(folder: Path) -> TradeWorld:
    """Everything deployed, oracles enrolled, and the clock standing."""
    clock = CountingClock()
    transport = EmbeddedTransport(clock=clock)
    node = Node(transport)
    policy = SenderPolicy(finality_blocks=0)
    signer = LocalSigner.from_secret(secret_of(0))
    with TransactionSender.open(node, signer, folder / "deploy.sqlite", policy=policy) as sender:
        found = _deployed(_Deployer(node, sender), signer.address)
    clock.stop()
    world = TradeWorld(transport, node, found, folder, storage_engines(the_engine()))
    for number, name in enumerate(PEOPLE):
        world.people[name] = Person(world, name, number)
    for number in range(ORACLES):
        seat(world, number)
    return world


def seat(world: TradeWorld, number: int) -> None:
    """An operator whose oracle's signatures count."""
    signer = OracleKeys.of(keccak(b"enclave", bytes([number]))).signer.address
    operator = Person(world, f"operator-{number}", 6 + number)
    call = world.twin.call("seat", number + 1, operator.address, signer)
    world["governance"].act(call)
    operator.act(world.verifier.announce(f"http://127.0.0.1:{9_600 + number}"))
    operator.act(world.verifier.enrol(signer))
    operator.close()
    open_oracle(world, number)


def open_oracle(world: TradeWorld, number: int) -> None:
    """The process of an oracle: its keys are those of its enclave, whenever it starts."""
    keys = OracleKeys.of(keccak(b"enclave", bytes([number])))
    signer = keys.signer.address
    parts = OracleParts(
        ledger=world.ledger,
        keys=keys,
        journal=MemoryJournal(),
        chain_id=world.clients.chain_id,
        verifier=world.verifier.address,
        engines=world.engines,
    )
    world.oracle_keys[signer] = keys
    world.honest[signer] = world.oracles[signer] = Oracle(parts)
    world.oracles[signer].open()


def _deployed(deploy: _Deployer, governance: bytes) -> Deployments:
    place = deploy(SurroundingsClient.contract)
    proofs = deploy("DeliveryFraudProofs")
    verifier = deploy("KeyDeliveryVerifier", *[place] * 4, proofs, 7 * DAY)
    nft = deploy("AgentNFT", verifier, place, governance, "apogee:agent:")
    log = deploy("StorageLog", place, place, governance)
    streams = deploy("KVStreams", log, place, place)
    deploy.wire(StorageLogClient, place, streams)
    bring_registry(deploy.node, deploy.sender, pause=lambda: None)
    account = deploy("AgentAccount", streams, ())
    leases = deploy("AgentLeases", nft, *WINDOWS[:2])
    deploy.wire(AgentNFTClient, leases, account)
    deploy("AgentMarket", nft, TREASURY, FEE_BPS, WINDOWS)
    for token in (CoinClient, TetherClient, PlainClient):
        deploy(token.contract)
    return deploy.found
