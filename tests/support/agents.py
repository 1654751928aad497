"""Tokens of agents on a verifier that believes and storage that keeps what it is told.

`deploy_tokens` builds AgentNFT with a twin in the place of KeyDeliveryVerifier and StorageMarket;
whoever needs real deliveries takes tests/support/agents_deliveries.py.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import boa

from offchain.agents.onchain_nft import Entry
from offchain.core.hashing import keccak
from tests.support.staking import CONTRACTS, DAY, a_wallet

SUPPORT = CONTRACTS.parent / "tests" / "support"
STORED = 4  # IStorageMarket.FileState
NOBODY = "0x" + "00" * 20
NO_KEY = bytes(32)
URI = "apogee:agent:"


@cache
def source(path: str) -> Any:
    """A contract of the project or of tests/support, compiled once."""
    return boa.load_partial(path)


def agents_contract(name: str) -> Any:
    return source(str(CONTRACTS / "agents" / f"{name}.vy"))


def support_contract(name: str) -> Any:
    return source(str(SUPPORT / f"{name}.vy"))


@dataclass(frozen=True, slots=True)
class Piece:
    """One data entry in one epoch: what its roots are, and the key sealed to the owner."""

    label: str
    turn: int = 0
    description: str = "bundle"

    def word(self, what: str) -> bytes:
        return keccak(f"{self.label}/{self.turn}/{what}".encode())

    @property
    def data_hash(self) -> bytes:
        return self.word("data")

    @property
    def roots(self) -> tuple[bytes, bytes, bytes, bytes]:
        content = keccak(f"{self.label}/content".encode())  # stays for ever
        return content, self.word("keys"), self.word("commit"), self.word("location")

    @property
    def sealed_key(self) -> bytes:
        return self.word("sealed") * 3 + self.word("sealed")[:16]

    @property
    def entry(self) -> Entry:
        return Entry(self.data_hash, keccak(*self.roots))

    def next(self) -> "Piece":
        return Piece(self.label, self.turn + 1, self.description)


def a_proof(old: Piece, new: Piece, *, signers: int = 3, **changes: Any) -> tuple[Any, ...]:
    """A proof that `old` was re-encrypted as `new`, in the EIP's form."""
    roots = changes.get("roots", b"".join((*old.roots, *new.roots[1:])))
    hashes = (changes.get("old_hash", old.data_hash), changes.get("new_hash", new.data_hash))
    nonce, key = new.word("nonce"), new.word("B") * 2
    signed = b"".join(new.word(f"signature {i}") * 2 + b"\x1b" for i in range(signers))
    proof = roots + (2**40).to_bytes(8, "big") + signed
    oracle = changes.get("oracle_type", 0)
    access = (*hashes, nonce, key, (2**40).to_bytes(8, "big") + new.word("access") * 2 + b"\x1b")
    return access, (oracle, *hashes, new.sealed_key, key, nonce, proof)


@dataclass(frozen=True, slots=True)
class TokenSite:
    """`locker` stands for a market, `leases` for AgentLeases, `account` for AgentAccount."""

    nft: Any
    verifier: Any
    locker: Any
    leases: Any
    account: Any
    governance: str

    def keep(self, piece: Piece, *, days: int = 30, state: int = STORED) -> None:
        """Storage has the piece's file."""
        leaves = boa.env.timestamp + days * DAY
        self.verifier.keep(piece.roots[3], piece.data_hash, leaves, state)

    def mint(
        self, owner: str, *pieces: Piece, threshold: int = 3, royalty: int = 0, creator: str = ""
    ) -> int:
        for piece in pieces:
            self.keep(piece)
        return int(
            self.nft.mint(owner, *forms(pieces), threshold, royalty, sender=creator or owner)
        )

    def by(self, contract: Any, function: str, *arguments: Any) -> Any:
        """Have a contract call the collection."""
        payload = getattr(self.nft, function).prepare_calldata(*arguments)
        return contract.relay(self.nft.address, payload)

    def lock(self, token: int, *, seconds: int = 3_600) -> int:
        """The locker holds a token still, with its owner's leave."""
        owner = self.nft.ownerOf(token)
        until = boa.env.timestamp + seconds
        self.nft.approve(self.locker.address, token, sender=owner)
        self.by(self.locker, "lock", token, until)
        return int(until)


def forms(
    pieces: tuple[Piece, ...],
) -> tuple[list[tuple[str, bytes]], list[tuple[bytes, ...]], list[bytes]]:
    """Datas, roots and sealed keys as mint and update take them."""
    datas = [(one.description, one.data_hash) for one in pieces]
    return datas, [one.roots for one in pieces], [one.sealed_key for one in pieces]


def entries(*pieces: Piece) -> list[tuple[bytes, bytes]]:
    return [(one.entry.data_hash, one.entry.roots_hash) for one in pieces]


def deploy_tokens(*, is_wired: bool = True) -> TokenSite:
    """A collection that no token is in."""
    governance = a_wallet("governance")
    verifier = support_contract("agents_verifier_twin").deploy()
    nft = agents_contract("AgentNFT").deploy(verifier, verifier, governance, URI)
    locker, leases, account = (support_contract("agents_locker").deploy(True) for _ in range(3))
    if is_wired:
        nft.wire(leases, account, sender=governance)
    return TokenSite(nft, verifier, locker, leases, account, governance)


def picture(site: TokenSite, tokens: range) -> tuple[Any, ...]:
    """Everything that a call could move."""
    nft = site.nft
    told = [
        (
            nft.ownerOf(token),
            nft.getApproved(token),
            nft.epoch_of(token),
            nft.traits_of(token),
            nft.lock_of(token),
            nft.entries_of(token),
            nft.intelligentDataOf(token),
            nft.authorizedUsersOf(token),
            nft.royaltyInfo(token, 10_000),
        )
        for token in tokens
    ]
    return nft.totalSupply(), nft.leases(), nft.implementation(), nft.delivery_context(), told
