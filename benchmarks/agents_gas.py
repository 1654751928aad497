"""Gas of an agent's token: mint with one entry, transfer of its data, clone.

Figures are whole transactions on the devnet chain with real AgentNFT and KeyDeliveryVerifier: three
oracles sign, the receiver signs for access, one data entry, a royalty, and an owner and a receiver
who have no token yet, which is the dearest case. Storage, attestation and stake are one twin.
"""

import sys
from dataclasses import replace
from typing import Any, Final

from benchmarks.agents_sale import (
    CREATOR,
    SEALED,
    THRESHOLD,
    SaleStage,
    _address,
    _key,
    _secret,
)
from benchmarks.chain_stage import CHAIN_ID
from benchmarks.rows import Row, at_most, measure
from offchain.agents.delivery import (
    CLONE,
    TRANSFER,
    AccessProof,
    OwnershipProof,
    RootWords,
    in_order,
    pack_access,
    verifier_domain,
)
from offchain.chain.keys import LocalSigner
from offchain.core.hashing import keccak

COMMAND: Final = "python -m benchmarks.agents_gas"
BARS: Final = {"mint": 350_000, "transfer": 250_000, "clone": 400_000}
HOUR: Final = 3_600


class TokenStage(SaleStage):
    """The stage of a sale, without the market."""

    def mint_for(self, owner: bytes) -> int:
        """A token with one entry and a royalty, by another account; what it costs."""
        roots = self._roots(keccak(b"content"))
        data = ("charter, prompt, tools, memory", roots[0])
        arguments = (_address(owner), [data], [roots[1:]], [SEALED], THRESHOLD, 1_000)
        return self.stage.send("AgentNFT", "mint", *arguments, sender=CREATOR)

    def move(self, owner: bytes, receiver: bytes, token: int) -> int:
        proofs = self.signed(token, receiver, op=TRANSFER)
        arguments = (_address(receiver), token, proofs)
        return self.stage.send_as(owner, "AgentNFT", "iTransfer", *arguments)

    def clone(self, owner: bytes, receiver: bytes, token: int) -> int:
        proofs = self.signed(token, receiver, op=CLONE)
        return self.stage.send_as(owner, "AgentNFT", "iClone", _address(receiver), token, proofs)

    def signed(self, token: int, receiver: bytes, *, op: int) -> list[Any]:
        """A delivery to a receiver, signed by all oracles and by him."""
        [(data_hash, _)] = self.stage.read("AgentNFT", "entries_of", token)
        content, key, commit, location = self.made[bytes(data_hash)]
        new = self._roots(content)
        proof = OwnershipProof(
            old_data_hash=bytes(data_hash),
            new_data_hash=new[0],
            sealed_key=SEALED,
            public_key=_key(),
            nonce=keccak(b"nonce", new[0]),
            roots=RootWords(content, key, commit, location, *new[2:]),
            deadline=self.stage.chain.head.header.timestamp + HOUR,
            signatures=(),
        )
        delivery = proof.delivery(
            collection=self.nft,
            token=token,
            epoch=int(self.stage.read("AgentNFT", "epoch_of", token)[0]),
            op=op,
            receiver=_address(receiver),
        )
        verifier = self.stage.contracts["KeyDeliveryVerifier"].address
        domain = verifier_domain(chain_id=CHAIN_ID, verifier=verifier)
        digest = delivery.digest(domain)
        signatures = in_order(digest, [one.sign_digest(digest) for one in self.oracles])
        wanted = delivery.access(proof.deadline).digest(domain)
        word = pack_access(proof.deadline, LocalSigner.from_secret(receiver).sign_digest(wanted))
        access = AccessProof(bytes(data_hash), new[0], proof.nonce, _key(), word)
        return [(access.fields(), replace(proof, signatures=signatures).fields())]


def run() -> list[Row]:
    """Measure everything once."""
    stage = TokenStage()
    people = [_secret(name) for name in ("first", "second", "third")]
    for one in people:
        stage.stage.fund(_address(one), 10**20)
    stage.mint_for(_secret("somebody else"))
    figures = {"mint": stage.mint_for(people[0])}
    figures["transfer"] = stage.move(people[0], people[1], 2)
    figures["clone"] = stage.clone(people[1], people[2], 2)
    return [
        at_most(f"agents.{name}.gas", gas, "gas", BARS[name], command=COMMAND)
        for name, gas in figures.items()
    ]


if __name__ == "__main__":
    sys.exit(measure(run, __doc__))
