"""Client of AgentNFT: tokens, their entries and epochs, what moves them, and what it logs.

Methods have the contract's words in this project's spelling; structs of EIP-7857 keep the EIP's
field names and are read by the properties beside them. Addresses are 20 raw bytes, times
seconds, shares ten-thousandths. Source: docs/protocol/agents.md#token.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from types import MappingProxyType

from offchain.agents.reverts_agents_nft import NFT
from offchain.agents.reverts_agents_verifier import VERIFIER
from offchain.chain.contract import ContractClient
from offchain.chain.model import BlockRef, TypedCall

Fields = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class IntelligentData:
    """A data entry's description, 31 bytes at most, and the root of its encrypted file."""

    dataDescription: str  # noqa: N815 - the EIP's name
    dataHash: bytes  # noqa: N815 - the EIP's name

    @property
    def description(self) -> str:
        return self.dataDescription


@dataclass(frozen=True, slots=True)
class Roots:
    """What an entry's roots hash is of."""

    content_root: bytes
    key_root: bytes
    key_commit: bytes
    location: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """What the contract keeps of an entry beside its description."""

    data_hash: bytes
    roots_hash: bytes


@dataclass(frozen=True, slots=True)
class Traits:
    """What a token was made with. `parent` 0: it is no clone."""

    threshold: int
    parent: int
    may_clone: bool


@dataclass(frozen=True, slots=True)
class Minted:
    token: int
    creator: bytes
    owner: bytes


@dataclass(frozen=True, slots=True)
class Transferred:
    token: int
    sender: bytes
    receiver: bytes


@dataclass(frozen=True, slots=True)
class Cloned:
    token: int
    clone: int
    sender: bytes
    receiver: bytes


@dataclass(frozen=True, slots=True)
class PublishedSealedKey:
    """One sealed key for each entry, in their order."""

    receiver: bytes
    token: int
    sealed_keys: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class UsageGranted:
    """The owner cannot revoke a lease before `until`."""

    token: int
    user: bytes
    until: int
    is_leased: bool


@dataclass(frozen=True, slots=True)
class Locked:
    token: int
    locker: bytes
    until: int


@dataclass(frozen=True, slots=True)
class Unlocked:
    token: int
    locker: bytes


@dataclass(frozen=True, slots=True)
class Rooted:
    """The roots of a file, which is an entry's from now on or by `finish`."""

    token: int
    data_hash: bytes
    content_root: bytes
    key_root: bytes
    key_commit: bytes
    location: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    token: int
    receiver: bytes
    outputs: tuple[Entry, ...]


class AgentNFTClient(ContractClient):
    """Owners mint, update and give; markets lock, prepare and finish."""

    contract = "AgentNFT"
    reverts = MappingProxyType({**VERIFIER, **NFT})  # it calls the verifier

    # Views

    def owner_of(self, token: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "ownerOf", token, at=at)

    def total_supply(self, *, at: BlockRef) -> int:
        """Ids are 1 to this: nothing is burned."""
        return self._read(int, "totalSupply", at=at)

    def get_approved(self, token: int, *, at: BlockRef) -> bytes:
        return self._read(bytes, "getApproved", token, at=at)

    def epoch_of(self, token: int, *, at: BlockRef) -> tuple[int, int]:
        """How often it has changed hands, and since when."""
        return self._read(tuple[int, int], "epoch_of", token, at=at)

    def traits_of(self, token: int, *, at: BlockRef) -> Traits:
        threshold, parent, may_clone = self._read(tuple[int, int, bool], "traits_of", token, at=at)
        return Traits(threshold, parent, may_clone)

    def is_locked(self, token: int, *, at: BlockRef) -> bool:
        return self._read(bool, "is_locked", token, at=at)

    def lock_of(self, token: int, *, at: BlockRef) -> tuple[bytes, int]:
        """Locker and last second; zero when it is not locked."""
        return self._read(tuple[bytes, int], "lock_of", token, at=at)

    def entries_of(self, token: int, *, at: BlockRef) -> list[Entry]:
        return self._read(list[Entry], "entries_of", token, at=at)

    def intelligent_data_of(self, token: int, *, at: BlockRef) -> list[IntelligentData]:
        return self._read(list[IntelligentData], "intelligentDataOf", token, at=at)

    def data_root(self, token: int, *, at: BlockRef) -> bytes:
        """What orders sign of a token's data."""
        return self._read(bytes, "data_root", token, at=at)

    def account_of(self, token: int, *, at: BlockRef) -> bytes:
        """Where its wallet is or would be."""
        return self._read(bytes, "account_of", token, at=at)

    def royalty_info(self, token: int, price: int, *, at: BlockRef) -> tuple[bytes, int]:
        """Who gets how much of a price."""
        return self._read(tuple[bytes, int], "royaltyInfo", token, price, at=at)

    def authorized_users_of(self, token: int, *, at: BlockRef) -> list[bytes]:
        return self._read(list[bytes], "authorizedUsersOf", token, at=at)

    def authorised_until(self, token: int, user: bytes, *, at: BlockRef) -> tuple[int, int]:
        """By the owner's word, and by a lease; the later counts, 0: not at all."""
        return self._read(tuple[int, int], "authorised_until", token, user, at=at)

    def token_uri(self, token: int, *, at: BlockRef) -> str:
        return self._read(str, "tokenURI", token, at=at)

    def verifier(self, *, at: BlockRef) -> bytes:
        return self._read(bytes, "verifier", at=at)

    def get_delegate_access(self, user: bytes, *, at: BlockRef) -> bytes:
        return self._read(bytes, "getDelegateAccess", user, at=at)

    # Anybody

    def mint(
        self,
        to: bytes,
        datas: Sequence[IntelligentData],
        roots: Sequence[Roots],
        sealed_keys: Sequence[bytes],
        threshold: int,
        royalty_bps: int,
    ) -> TypedCall:
        return self._build(
            "mint",
            to,
            [astuple(one) for one in datas],
            [astuple(one) for one in roots],
            list(sealed_keys),
            threshold,
            royalty_bps,
        )

    # The owner

    def update(
        self,
        token: int,
        datas: Sequence[IntelligentData],
        roots: Sequence[Roots],
        sealed_keys: Sequence[bytes],
        *,
        threshold: int = 0,
    ) -> TypedCall:
        """Other data; `threshold` 0: as before. Refused while locked."""
        return self._build(
            "update",
            token,
            [astuple(one) for one in datas],
            [astuple(one) for one in roots],
            list(sealed_keys),
            threshold,
        )

    def approve(self, to: bytes, token: int) -> TypedCall:
        return self._build("approve", to, token)

    def i_transfer(self, to: bytes, token: int, proofs: Sequence[Fields]) -> TypedCall:
        return self._build("iTransfer", to, token, list(proofs))

    def i_clone(self, to: bytes, token: int, proofs: Sequence[Fields]) -> TypedCall:
        return self._build("iClone", to, token, list(proofs))

    def authorize_usage(self, token: int, user: bytes) -> TypedCall:
        return self._build("authorizeUsage", token, user)

    def revoke_authorization(self, token: int, user: bytes) -> TypedCall:
        return self._build("revokeAuthorization", token, user)

    def authorize_usage_until(self, token: int, user: bytes, until: int) -> TypedCall:
        """By the owner, or by AgentLeases: a lease."""
        return self._build("authorizeUsageUntil", token, user, until)

    def set_approval_for_all(self, operator: bytes, *, approved: bool) -> TypedCall:
        return self._build("setApprovalForAll", operator, approved)

    def transfer_from(self, owner: bytes, to: bytes, token: int) -> TypedCall:
        """A token without data only."""
        return self._build("transferFrom", owner, to, token)

    # A receiver

    def delegate_access(self, assistant: bytes) -> TypedCall:
        """Who else may sign access proofs for the caller; zero: nobody."""
        return self._build("delegateAccess", assistant)

    # Governance

    def wire(self, leases: bytes, implementation: bytes) -> TypedCall:
        return self._build("wire", leases, implementation)
