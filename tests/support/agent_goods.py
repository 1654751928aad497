"""Real AgentNFT, KeyDeliveryVerifier and AgentAccount, surrounded by one twin; oracles that sign.

`deploy_goods` makes them and `RealGoods` mints tokens with one entry, has `threshold` oracles sign
a delivery of it, and has a delivery count as proven false. What is delivered are hashes of nothing:
bundles and proofs about them are of tests/contracts/agents/key_delivery_verifier.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import boa

from offchain.agents.delivery import (
    TRANSFER,
    AccessProof,
    OwnershipProof,
    RootWords,
    in_order,
    verifier_domain,
)
from offchain.chain.keys import LocalSigner
from offchain.core.hashing import keccak
from tests.support.agent_accounts import agents_deployer, bring_registry, open_account
from tests.support.staking import a_wallet, deploy_staking
from tests.support.storage_log import storage_deployer

THRESHOLD: Final = 3
SEALED: Final = b"\x5e" * 112
HOUR: Final = 3_600
DAY: Final = 86_400

Fields = tuple[Any, ...]


@cache
def twin_deployer(name: str) -> Any:
    return boa.load_partial(str(Path(__file__).parent / f"{name}.vy"))


def raw(contract: Any) -> bytes:
    return bytes.fromhex(str(getattr(contract, "address", contract))[2:])


@cache
def oracle_signer(number: int) -> LocalSigner:
    return LocalSigner.from_secret(keccak(b"oracle", bytes([number])))


@dataclass(frozen=True, slots=True)
class Roots:
    """The four words of an entry, and its data hash."""

    data_hash: bytes
    content: bytes
    key: bytes
    commit: bytes
    location: bytes

    @classmethod
    def of(cls, name: bytes, content: bytes) -> "Roots":
        words = (keccak(part, name) for part in (b"file", b"keys", b"commit", b"location"))
        data_hash, key, commit, location = words
        return cls(data_hash, content, key, commit, location)

    def words(self) -> tuple[bytes, bytes, bytes, bytes]:
        return (self.content, self.key, self.commit, self.location)


@dataclass(slots=True)
class RealGoods:
    """Tokens of one entry each; `roots` what each token's is now or was last delivered as."""

    nft: Any
    verifier: Any
    surroundings: Any
    implementation: Any
    signers: tuple[LocalSigner, ...]
    made: dict[bytes, Roots] = field(default_factory=dict)
    deliveries: dict[bytes, Fields] = field(default_factory=dict)
    count: int = 0

    def mint(self, owner: str, creator: str, royalty_bps: int) -> int:
        """A token with one entry."""
        roots = self._roots(keccak(b"content", owner.encode()))
        data = ("an agent", roots.data_hash)
        arguments = ([data], [roots.words()], [SEALED], THRESHOLD, royalty_bps)
        return int(self.nft.mint(owner, *arguments, sender=creator))

    def approve(self, owner: str, market: str, *, is_allowed: bool = True) -> None:
        """Let the market lock all that an owner has, or no more."""
        self.nft.setApprovalForAll(market, is_allowed, sender=owner)

    def proofs(
        self, token: int, buyer: str, key: bytes, *, access: bytes = b"", count: int = THRESHOLD
    ) -> list[Fields]:
        """A delivery of its data to a key, signed by so many oracles."""
        old = self.entry(token)
        new = self._roots(old.content)
        proof = OwnershipProof(
            old_data_hash=old.data_hash,
            new_data_hash=new.data_hash,
            sealed_key=SEALED,
            public_key=key,
            nonce=keccak(b"nonce", bytes([self.count % 256]), new.data_hash),
            roots=RootWords(
                old.content, old.key, old.commit, old.location, new.key, new.commit, new.location
            ),
            deadline=int(boa.env.timestamp) + HOUR,
            signatures=(),
        )
        delivery = proof.delivery(
            collection=raw(self.nft),
            token=token,
            epoch=int(self.nft.epoch_of(token)[0]),
            op=TRANSFER,
            receiver=raw(buyer),
        )
        domain = verifier_domain(
            chain_id=int(boa.env.evm.patch.chain_id), verifier=raw(self.verifier)
        )
        digest = delivery.digest(domain)
        self.deliveries[digest] = delivery.fields()
        signed = in_order(digest, [one.sign_digest(digest) for one in self.signers[:count]])
        wanted = AccessProof(old.data_hash, new.data_hash, proof.nonce, key, access)
        return [(wanted.fields(), replace(proof, signatures=signed).fields())]

    def outputs(self, proofs: Sequence[Fields]) -> list[Fields]:
        """What `prepare` makes of them."""
        hashes = [bytes(ownership[2]) for _, ownership in proofs]
        return [(one, keccak(*self.made[one].words())) for one in hashes]

    def digests(self) -> list[bytes]:
        """Of the newest delivery."""
        return [list(self.deliveries)[-1]]

    def entry(self, token: int) -> Roots:
        """The token's only entry."""
        [(data_hash, _)] = self.nft.entries_of(token)
        return self.made[bytes(data_hash)]

    def move(self, token: int, owner: str, to: str) -> None:
        """Hand it over outside the market; the oracles ask storage, as for any locker."""
        locker = twin_deployer("agent_carrier").deploy()
        self.nft.approve(locker.address, token, sender=owner)
        key = b"\x01" * 64
        proofs = self.proofs(token, to, key)
        locker.carry(self.nft.address, token, to, keccak(key), proofs)

    def change_data(self, token: int, owner: str) -> None:
        """Replace its data."""
        roots = self._roots(keccak(b"other content"))
        data = ("an agent", roots.data_hash)
        self.nft.update(token, [data], [roots.words()], [SEALED], 0, sender=owner)

    def update_again(self, token: int, owner: str, *, threshold: int) -> None:
        """The same data, but so many oracles."""
        roots = self.entry(token)
        data = ("an agent", roots.data_hash)
        self.nft.update(token, [data], [roots.words()], [SEALED], threshold, sender=owner)

    def prove_false(self, digest: bytes) -> None:
        """Have a delivery count as proven false."""
        told = tuple(
            "0x" + one.hex() if isinstance(one, bytes) and len(one) == 20 else one
            for one in self.deliveries[digest]
        )
        self.surroundings.prove(self.verifier.address, told)

    def open_account(self, token: int) -> Any:
        """The token's account."""
        return open_account(self.implementation, self.nft, token)

    def _roots(self, content: bytes) -> Roots:
        """A file that storage keeps from now on."""
        self.count += 1
        made = Roots.of(self.count.to_bytes(4, "big"), content)
        self.made[made.data_hash] = made
        self.surroundings.keep(made.location, made.data_hash)
        return made


def deploy_goods(oracles: int = THRESHOLD) -> RealGoods:
    """Collection, verifier with oracles that stand, and the accounts' implementation."""
    staking = deploy_staking()
    governance = staking.governance
    surroundings = twin_deployer("agent_surroundings").deploy()
    place = surroundings.address
    verifier = agents_deployer("KeyDeliveryVerifier").deploy(*[place] * 5, 7 * DAY)
    nft = agents_deployer("AgentNFT").deploy(verifier.address, place, governance, "apogee:")
    log = storage_deployer("StorageLog").deploy(
        staking.stake.address, staking.stake.address, governance
    )
    kv = storage_deployer("KVStreams").deploy(
        log.address, staking.stake.address, staking.stake.address
    )
    log.wire(staking.stake.address, kv.address, sender=governance)
    bring_registry()
    implementation = agents_deployer("AgentAccount").deploy(kv.address, [])
    nft.wire(place, implementation.address, sender=governance)
    signers = tuple(oracle_signer(number) for number in range(oracles))
    for number, one in enumerate(signers, 1):
        owner = a_wallet(f"operator {number}")
        surroundings.seat(number, owner, "0x" + one.address.hex())
        verifier.enrol("0x" + one.address.hex(), sender=owner)
    return RealGoods(nft, verifier, surroundings, implementation, signers)
