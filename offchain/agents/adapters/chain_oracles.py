"""Oracles and tokens as the contracts have them: an `OracleLedger`, and who stands at a block.

An enclave key counts only as the live verdict over its signer names it. Blocking; any thread.
Source: docs/protocol/agents.md#delivery-oracle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from offchain.agents.onchain_nft import AgentNFTClient
from offchain.agents.onchain_verifier import KeyDeliveryVerifierClient, OracleEnrolled
from offchain.agents.oracle_errors import OrderRefused
from offchain.agents.oracle_ports import OraclePlace, TokenView
from offchain.attestation.relay_ports import RelayLedger
from offchain.chain.followed import Followed
from offchain.chain.model import Block
from offchain.chain.ports import ChainReader
from offchain.storage.onchain_market import StorageMarketClient


@dataclass(frozen=True, slots=True)
class OracleClients:
    """What is read; `depth`: blocks after which nothing is taken back."""

    node: ChainReader
    nft: AgentNFTClient
    verifier: KeyDeliveryVerifierClient
    relay: RelayLedger
    storage: StorageMarketClient
    first_block: int
    depth: int


class ChainOracles:
    """An `OracleLedger` over the contracts."""

    def __init__(self, clients: OracleClients) -> None:
        self._clients = clients
        following = partial(
            Followed,
            clients.node,
            clients.verifier,
            indexed={},
            first_block=clients.first_block,
            depth=clients.depth,
        )
        self._enrolled = following(OracleEnrolled)

    def token(self, collection: bytes, token: int) -> TokenView:
        nft, block = self._clients.nft, self._clients.node.block()
        if collection != nft.address:
            raise OrderRefused(part="collection", collection=collection.hex())
        epoch, _ = nft.epoch_of(token, at=block.hash)
        found = nft.entries_of(token, at=block.hash)
        entries = tuple((one.data_hash, one.roots_hash) for one in found)
        return TokenView(
            block.timestamp, epoch, nft.traits_of(token, at=block.hash).threshold, entries
        )

    def oracle(self, signer: bytes) -> OraclePlace | None:
        return self._place(signer, self._clients.node.block())

    def stored_root(self, location: bytes) -> bytes | None:
        market, block = self._clients.storage, self._clients.node.block()
        if not market.is_live(location, at=block.hash):
            return None
        return market.file(location, at=block.hash).root

    def standing(self) -> Sequence[OraclePlace]:
        """Every oracle whose signature counts and that has said where it answers."""
        block = self._clients.node.block()
        signers = dict.fromkeys(one.signer for one in self._enrolled.upto(block))
        places = [self._place(one, block) for one in signers]
        return [one for one in places if one is not None and one.endpoint]

    def _place(self, signer: bytes, block: Block) -> OraclePlace | None:
        verifier, at = self._clients.verifier, block.hash
        if not verifier.is_oracle(signer, at=at):
            return None
        found = verifier.oracle(signer, at=at)
        live = self._clients.relay.live(signer, block)
        if live is None:
            return None
        return OraclePlace(
            signer=signer,
            operator_id=found.operator_id,
            endpoint=verifier.endpoint_of(found.operator_id, at=at),
            until=found.until,
            key_hash=live.verdict.enc_key_hash,
            is_simulated=live.simulated,
        )
