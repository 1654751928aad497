"""Clients of the ERC-8004 registries: AgentIdentity, AgentReputation, AgentValidation.

Names in Python are the ERC's in snake_case; addresses are 20 raw bytes, weights wei of stake.
Source: docs/protocol/agents.md#registries, https://eips.ethereum.org/EIPS/eip-8004.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from offchain.agents.reverts_agents_registries import IDENTITY, REPUTATION, VALIDATION
from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall
from offchain.compute.batch import SettledItem


@dataclass(frozen=True, slots=True)
class Word:
    """What a client says; `score` has `decimals` digits behind the point."""

    score: int
    decimals: int = 0
    tag1: str = ""
    tag2: str = ""
    endpoint: str = ""
    uri: str = ""
    hash: bytes = bytes(32)


@dataclass(frozen=True, slots=True)
class ShownItem:
    """A settled item with its path in the batch's tree, as SumTree.path_bytes makes it."""

    batch: int
    index: int
    item: SettledItem
    path: bytes

    def fields(self) -> tuple[object, ...]:
        return (self.batch, self.index, self.item.fields(), self.path)


class AgentIdentityClient(ContractClient):
    """Every token of AgentNFT, as tools of ERC-8004 find it."""

    contract = "AgentIdentity"
    reverts = IDENTITY

    def token_uri(self, agent: int, *, at: BlockRef) -> str:
        return self._read(str, "tokenURI", agent, at=at)

    def get_agent_wallet(self, agent: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "getAgentWallet", agent, at=at)

    def get_metadata(self, agent: int, key: str, *, at: BlockRef) -> bytes:
        return self._read(bytes, "getMetadata", agent, key, at=at)

    def register(self, uri: str) -> TypedCall:
        return self._build("register", uri)

    def set_agent_uri(self, agent: int, uri: str) -> TypedCall:
        return self._build("setAgentURI", agent, uri)

    def set_metadata(self, agent: int, key: str, content: bytes) -> TypedCall:
        return self._build("setMetadata", agent, key, content)


class AgentReputationClient(ContractClient):
    """Words about agents, and what they weigh."""

    contract = "AgentReputation"
    reverts = REPUTATION

    def get_last_index(self, agent: int, client: bytes, *, at: BlockRef) -> int:
        return self._read(int, "getLastIndex", agent, client, at=at)

    def get_clients(self, agent: int, *, at: BlockRef) -> list[bytes]:
        return self._read(list[bytes], "getClients", agent, at=at)

    def weight_of(self, agent: int, client: bytes, index: int, *, at: BlockRef) -> int:
        return self._read(int, "weight_of", agent, client, index, at=at)

    def weighted_summary(
        self, agent: int, clients: Sequence[bytes], *, at: BlockRef
    ) -> tuple[int, int]:
        """Weight, and the mean by weight with 18 decimals."""
        named = list(clients)
        return self._read(tuple[int, int], "weighted_summary", agent, named, "", "", at=at)

    def get_summary(
        self, agent: int, clients: Sequence[bytes], *, at: BlockRef
    ) -> tuple[int, int, int]:
        """Count, plain mean, its decimals."""
        named = list(clients)
        return self._read(tuple[int, int, int], "getSummary", agent, named, "", "", at=at)

    def agent_of(self, service: bytes, *, at: BlockRef) -> int:
        return self._read(int, "agent_of", service, at=at)

    def give_feedback(self, agent: int, word: Word) -> TypedCall:
        tags = (word.tag1, word.tag2, word.endpoint, word.uri, word.hash)
        return self._build("giveFeedback", agent, word.score, word.decimals, *tags)

    def revoke_feedback(self, agent: int, index: int) -> TypedCall:
        return self._build("revokeFeedback", agent, index)

    def prove(self, agent: int, index: int, shown: ShownItem) -> TypedCall:
        """Give one's own word the weight of work that one paid for."""
        return self._build("prove", agent, index, shown.fields())

    def name_service(self, agent: int, service: bytes) -> TypedCall:
        return self._build("name_service", agent, service)


class AgentValidationClient(ContractClient):
    """What validators answered to agents' owners."""

    contract = "AgentValidation"
    reverts = VALIDATION

    def get_summary(
        self, agent: int, validators: Sequence[bytes], *, at: BlockRef
    ) -> tuple[int, int]:
        """Count and mean of the answers, 0..100."""
        return self._read(tuple[int, int], "getSummary", agent, list(validators), "", at=at)

    def validation_request(
        self, validator: bytes, agent: int, *, uri: str, request: bytes
    ) -> TypedCall:
        return self._build("validationRequest", validator, agent, uri, request)

    def validation_response(
        self,
        request: bytes,
        response: int,
        *,
        uri: str = "",
        answer: bytes = bytes(32),
        tag: str = "",
    ) -> TypedCall:
        return self._build("validationResponse", request, response, uri, answer, tag)
