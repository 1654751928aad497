"""The real contracts on the embedded EVM, with staked operators and a drawn table."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account import Account

from offchain.apps.genesis import DA, Ref, scaled_genesis
from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.contract import ContractClient, creation_call
from offchain.chain.contract_abi import artifact
from offchain.chain.deployments import Deployment, Deployments
from offchain.chain.devnet.network import DEV_MNEMONIC
from offchain.chain.dispatch import SenderPolicy
from offchain.chain.keys import LocalSigner
from offchain.chain.model import show_address
from offchain.chain.node import Node
from offchain.chain.ports import Question, Transport
from offchain.chain.sender import TransactionSender
from offchain.core.bls import DST_POSSESSION, SecretKey
from offchain.core.units import WEI_PER_COIN
from offchain.da.adapters.chain_ledger import ChainClients, ChainLedger
from offchain.da.onchain import DAEntranceClient, DASignersClient
from offchain.da.onchain_challenges import DAChallengesClient
from offchain.jobs.draw import DrawParts, DrawTable
from offchain.staking.onchain import (
    OperatorRegistryClient,
    SlashingCourtClient,
    StakeManagerClient,
)
from scripts.build_abi import creation_code

STAKE_WEI = 1_000 * WEI_PER_COIN


@dataclass
class DaChain:
    """One chain with everything deployed; operators 1..n are staked, all but the last have joined.

    The last operator is the disperser: staked, without a node.
    """

    transport: Transport
    node: Node
    deployments: Deployments
    signers: list[LocalSigner]
    senders: list[TransactionSender]
    secrets: dict[int, SecretKey]
    folder: Path
    policy: SenderPolicy

    def client(self, kind: type[ContractClient]) -> ContractClient:
        return kind(self.deployments, self.node)

    def ledger(self) -> ChainLedger:
        return ChainLedger(
            ChainClients(
                self.node,
                DAEntranceClient(self.deployments, self.node),
                DASignersClient(self.deployments, self.node),
                StakeManagerClient(self.deployments, self.node),
            )
        )

    def ask(self, method: str, *params: object) -> Any:
        [answer] = self.transport.ask([Question(method, tuple(params))])
        assert answer.fault is None, answer
        return answer.result

    def mine(self, seconds: int = 0) -> None:
        if seconds:
            self.ask("evm_increaseTime", seconds)
        self.ask("evm_mine")

    def open_sender(self, number: int) -> TransactionSender:
        """The sender of an account over its outbox, as a new process opens it."""
        path = self.folder / f"outbox-{number}.sqlite"
        return TransactionSender.open(self.node, self.signers[number], path, policy=self.policy)

    def restart_sender(self, number: int) -> None:
        self.senders[number].close()
        self.senders[number] = self.open_sender(number)

    def close(self) -> None:
        for sender in self.senders:
            sender.close()
        self.node.close()

    @asynccontextmanager
    async def heartbeat(self) -> AsyncIterator[None]:
        """Empty blocks in the background, as a devnet mines them."""

        async def beat() -> None:
            while True:
                await asyncio.to_thread(self.mine)
                await asyncio.sleep(0.1)

        task = asyncio.create_task(beat())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def deploy_chain(
    folder: Path,
    endpoints: list[str],
    *,
    transport: Transport | None = None,
    finality_blocks: int = 0,
) -> DaChain:
    """Deploy, stake one operator an endpoint and one disperser, and draw the first table."""
    transport = transport or EmbeddedTransport()
    node = Node(transport)
    Account.enable_unaudited_hdwallet_features()
    signers = [
        LocalSigner.from_secret(
            bytes(Account.from_mnemonic(DEV_MNEMONIC, account_path=f"m/44'/60'/0'/0/{n}").key)
        )
        for n in range(len(endpoints) + 1)
    ]
    policy = SenderPolicy(finality_blocks=finality_blocks)
    secrets = {
        number: SecretKey.from_seed(b"embedded chain operator %9d" % number)
        for number in range(1, len(signers) + 1)
    }
    nothing = Deployments("embedded", node.chain_id())
    chain = DaChain(transport, node, nothing, signers, [], secrets, folder, policy)
    chain.senders = [chain.open_sender(number) for number in range(len(signers))]
    chain.deployments = _deploy(node, chain.senders[0])
    for number, endpoint in enumerate([*endpoints, None], 1):
        _enrol(chain, number, endpoint)
    chain.mine(288)
    _draw(chain)
    return chain


def _deploy(node: Node, sender: TransactionSender) -> Deployments:
    governance = show_address(sender.account)
    genesis = scaled_genesis(governance=governance, treasury="0x" + "77" * 20)
    found = Deployments("embedded", node.chain_id())
    for step in genesis.deployments():
        call = creation_call(step.name, creation_code(step.name), *_resolved(step.arguments, found))
        receipt = sender.execute(call, key=f"deploy:{step.name}")
        assert receipt.contract_address is not None
        found = found.including(
            Deployment(
                step.name,
                receipt.contract_address,
                receipt.block_number,
                receipt.transaction_hash,
                (),
                artifact(step.name).integrity,
                artifact(step.name).layout_hash,
            )
        )
    for number, step in enumerate(genesis.wiring()):
        kind = type(step.name, (ContractClient,), {"contract": step.name})
        call = kind(found, node)._build(step.function, *_resolved(step.arguments, found))
        sender.execute(call, key=f"wire:{number}")
    return found


def _resolved(value: object, found: Deployments) -> tuple[object, ...]:
    def one(item: object) -> object:
        if isinstance(item, Ref):
            return found.address_of(item.name)
        if isinstance(item, tuple):
            return tuple(one(part) for part in item)
        return item

    return tuple(one(item) for item in value)


def _enrol(chain: DaChain, number: int, endpoint: str | None) -> None:
    registry = OperatorRegistryClient(chain.deployments, chain.node)
    stake = StakeManagerClient(chain.deployments, chain.node)
    sender, secret = chain.senders[number - 1], chain.secrets[number]
    key = secret.public_key().eip2537()
    digest = registry.possession_digest(sender.account, key, at=chain.node.block().hash)
    proof = secret.sign(digest, DST_POSSESSION).eip2537()
    sender.execute(registry.register(key, proof), key="register")
    sender.execute(stake.join(DA, 1_000, stake_wei=STAKE_WEI), key="stake")
    if endpoint is not None:
        joining = DASignersClient(chain.deployments, chain.node).join(endpoint)
        sender.execute(joining, key="join")


def _draw(chain: DaChain) -> None:
    drawing = DrawTable(
        DrawParts(
            chain.node,
            OperatorRegistryClient(chain.deployments, chain.node),
            StakeManagerClient(chain.deployments, chain.node),
            DASignersClient(chain.deployments, chain.node),
            chain.senders[0],
        )
    )
    drawing.draw(drawing.current_epoch())


def court_of(chain: DaChain) -> tuple[SlashingCourtClient, DAChallengesClient]:
    return (
        SlashingCourtClient(chain.deployments, chain.node),
        DAChallengesClient(chain.deployments, chain.node),
    )
