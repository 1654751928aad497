"""Client of AgentAccount: the implementation's, and of each token's account; the events it writes.

Method and field names are the contract's; addresses are 20 raw bytes, amounts base units (zero
address: wei of the coin), times seconds. Source: docs/protocol/agents.md#account.
"""

from dataclasses import dataclass
from typing import Self

from offchain.agents.reverts_agents_account import ACCOUNT
from offchain.agents.sessions import Grant
from offchain.chain.contract import ContractClient
from offchain.chain.deployments import Deployments
from offchain.chain.model import Address, BlockRef, TypedCall
from offchain.chain.ports import ChainReader
from offchain.chain.token_accounts import BoundToken, account_address, create_account
from offchain.core.errors import InvalidInput

CALL = 0


@dataclass(frozen=True, slots=True)
class Session:
    """What a key may still do; `is_live` says whether it may do anything now."""

    epoch: int
    valid_from: int
    valid_until: int
    calls_left: int
    is_live: bool


@dataclass(frozen=True, slots=True)
class Allowance:
    """A cap and what is spent of it."""

    token: bytes
    total: int
    day: int
    spent: int
    spent_today: int

    @property
    def left(self) -> int:
        """What may be spent now."""
        return min(self.total - self.spent, self.day - self.spent_today)


@dataclass(frozen=True, slots=True)
class Executed:
    by: bytes
    target: bytes
    selector: bytes
    amount: int
    state: int


@dataclass(frozen=True, slots=True)
class SessionGranted:
    key: bytes
    epoch: int
    grant: Grant


@dataclass(frozen=True, slots=True)
class SessionRevoked:
    key: bytes


@dataclass(frozen=True, slots=True)
class SessionsEnded:
    generation: int


@dataclass(frozen=True, slots=True)
class PausedSet:
    is_paused: bool


@dataclass(frozen=True, slots=True)
class Returned:
    owner: bytes
    token: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class MemoryFollowed:
    """Rights to write that were given before this epoch have ended."""

    stream: bytes
    epoch: int


class AgentAccountClient(ContractClient):
    """The account of one token; as deployed, the implementation, which owns nothing."""

    contract = "AgentAccount"
    reverts = ACCOUNT

    def __init__(self, deployments: Deployments, reader: ChainReader) -> None:
        super().__init__(deployments, reader)
        self._deployments = deployments
        self.implementation = self.address

    def of(self, collection: Address, token: int) -> Self:
        """The client of a token's account, created or not."""
        return self.at(account_address(self.implementation, self._bound(collection, token)))

    def at(self, address: Address) -> Self:
        """The client of an account whose address is known."""
        found = type(self)(self._deployments, self._reader)
        found.address = address
        return found

    def create(self, collection: Address, token: int) -> TypedCall:
        """Create a token's account; anyone may, again does nothing."""
        return create_account(self.implementation, self._bound(collection, token))

    def is_created(self, *, at: BlockRef) -> bool:
        return bool(self._reader.code(self.address, at=at))

    # Reading

    def owner(self, *, at: BlockRef) -> bytes:
        return self._read(bytes, "owner", at=at)

    def token(self, *, at: BlockRef) -> tuple[int, bytes, int]:
        """Chain id, collection, token id."""
        return self._read(tuple[int, bytes, int], "token", at=at)

    def state(self, *, at: BlockRef) -> int:
        """Rises with every act; what a sell order names."""
        return self._read(int, "state", at=at)

    def voucher_epoch(self, *, at: BlockRef) -> tuple[int, int]:
        return self._read(tuple[int, int], "voucher_epoch", at=at)

    def session(self, key: bytes, *, at: BlockRef) -> Session:
        return self._read(Session, "session", key, at=at)

    def allowances(self, key: bytes, *, at: BlockRef) -> list[Allowance]:
        return self._read(list[Allowance], "allowances", key, at=at)

    def may_call(self, key: bytes, target: bytes, selector: bytes, *, at: BlockRef) -> bool:
        return self._read(bool, "may_call", key, target, selector, at=at)

    def may_sign(self, key: bytes, domain: bytes, *, at: BlockRef) -> bool:
        return self._read(bool, "may_sign", key, domain, at=at)

    def is_paused(self, *, at: BlockRef) -> bool:
        return self._read(bool, "is_paused", at=at)

    def generation(self, *, at: BlockRef) -> int:
        return self._read(int, "generation", at=at)

    def memory(self, *, at: BlockRef) -> bytes:
        """The agent's stream, made or not."""
        return self._read(bytes, "memory", at=at)

    def is_valid_signature(self, digest: bytes, signature: bytes, *, at: BlockRef) -> bool:
        """ERC-1271."""
        answer = self._read(bytes, "isValidSignature", digest, signature, at=at)
        return answer == bytes.fromhex("1626ba7e")

    # Calls

    def execute(self, call: TypedCall, *, gas_hint: int | None = None) -> TypedCall:
        """Have the account make a call: by the owner, or a session within its limits."""
        if call.to is None:
            raise InvalidInput("an account creates no contracts")
        outer = self._build("execute", call.to, call.value_wei, call.data, CALL, gas_hint=gas_hint)
        return TypedCall(
            to=outer.to,
            data=outer.data,
            value_wei=0,
            contract=call.contract,
            function=call.function,
            gas_hint=gas_hint,
            reverts={**self.reverts, **call.reverts},
        )

    def grant(self, key: bytes, grant: Grant) -> TypedCall:
        return self._build("grant", key, grant.fields())

    def revoke(self, key: bytes) -> TypedCall:
        return self._build("revoke", key)

    def end_sessions(self) -> TypedCall:
        return self._build("end_sessions")

    def set_paused(self, is_paused: bool) -> TypedCall:
        return self._build("set_paused", is_paused)

    def return_funds(self, token: bytes, amount: int) -> TypedCall:
        return self._build("return_funds", token, amount)

    def follow(self) -> TypedCall:
        return self._build("follow")

    def _bound(self, collection: Address, token: int) -> BoundToken:
        return BoundToken(self._reader.chain_id(), collection, token)
