"""ERC-8004 registries over the real collection, services and escrow; a provider owns agent 1."""

from dataclasses import dataclass
from typing import Any

import boa

from offchain.compute.sum_tree import SumNode, SumTree
from offchain.core.hashing import keccak
from offchain.core.typed_data import words
from tests.support.agents import URI, agents_contract, support_contract
from tests.support.compute_chain import (
    DISPUTE,
    ComputeSite,
    a_payer,
    an_item,
    deploy_compute,
    fill_bucket,
    hex_of,
    raw,
    settle,
)
from tests.support.staking import COIN, a_wallet

CAP = COIN // 100  # of the weight of one client
NO_HASH = bytes(32)


@dataclass(frozen=True, slots=True)
class RegistrySite:
    """`agent` is token 1, which the provider of `compute` owns and whose service is named."""

    compute: ComputeSite
    nft: Any
    identity: Any
    reputation: Any
    validation: Any
    agent: int

    @property
    def owner(self) -> str:
        return self.compute.provider.owner

    def say(
        self, client: str, score: int = 90, decimals: int = 0, tag: str = "", two: str = ""
    ) -> int:
        """A client's word; its index."""
        fields = (score, decimals, tag, two, "http://x", "ipfs://word", NO_HASH)
        self.reputation.giveFeedback(self.agent, *fields, sender=client)
        return int(self.reputation.getLastIndex(self.agent, client))

    def sell_work(self, *sold: tuple[str, int]) -> tuple[int, list[tuple[Any, ...]]]:
        """Settle what clients paid, and let its time pass; the batch and its items."""
        items = []
        for name, amount in sold:
            payer = a_payer(name)
            fill_bucket(self.compute, payer.address)
            nonce = 1 + self.compute.escrow.bucket(*self.bucket(name)).last_nonce
            spent = self.compute.escrow.bucket(*self.bucket(name)).spent
            items.append(an_item(self.compute, payer, cap=spent + amount, nonce=nonce))
        batch = settle(self.compute, items)
        assert batch
        listed = settled_of(self)
        self.compute.courts.set_done(batch, True)
        boa.env.time_travel(seconds=DISPUTE + 1)
        return batch, listed

    def bucket(self, name: str) -> tuple[str, str, str]:
        return hex_of(a_payer(name).address), self.owner, "0x" + "00" * 20

    def release(self, batch: int) -> None:
        self.compute.escrow.release(batch, sender=a_wallet("anyone"))


def settled_of(site: RegistrySite) -> list[tuple[Any, ...]]:
    """The items that the last `settle` accepted, as Settled; read right after it."""
    events = [one for one in site.compute.escrow.get_logs() if type(one).__name__ == "BatchPosted"]
    return [_settled(row) for one in events for row in one.items]


def _settled(row: Any) -> tuple[Any, ...]:
    """An item from its row in the event."""
    low = lambda number, bits: number & ((1 << bits) - 1)
    payer = low(row.party, 160).to_bytes(20, "big")
    nonces = (low(row.span, 64), low(row.span >> 64, 64))
    amounts = (low(row.moved, 96), row.moved >> 96)
    version, leaves = row.party >> 160, row.span >> 128
    return (hex_of(payer), version, *nonces, *amounts, leaves, bytes(row.leaves_root))


def shown(batch: int, index: int, items: list[tuple[Any, ...]]) -> tuple[Any, ...]:
    """An item of a batch as `prove` takes it."""
    nodes = [SumNode(keccak(b"\2", words(raw(one[0]), *one[1:])), one[4]) for one in items]
    return (batch, index, items[index], SumTree.of(nodes).path_bytes(index))


def deploy_registries() -> RegistrySite:
    """Real collection, escrow and service registry; the verifier of data is a twin."""
    compute = deploy_compute()
    twin = support_contract("agents_verifier_twin").deploy()
    locker = support_contract("agents_locker").deploy(True)
    governance = a_wallet("governance of agents")
    nft = agents_contract("AgentNFT").deploy(twin, twin, governance, URI)
    nft.wire(locker, locker, sender=governance)
    identity = agents_contract("AgentIdentity").deploy(nft)
    parts = (identity, nft, compute.registry, compute.escrow, CAP)
    reputation = agents_contract("AgentReputation").deploy(*parts)
    validation = agents_contract("AgentValidation").deploy(identity)
    agent = int(identity.register("ipfs://card", sender=compute.provider.owner))
    reputation.name_service(agent, compute.service, sender=compute.provider.owner)
    return RegistrySite(compute, nft, identity, reputation, validation, agent)
