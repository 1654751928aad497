"""What an owner does with a token that he holds: open it, give it away, take part in a gift.

Source: docs/protocol/agents.md#trading.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from offchain.agents.buy_agent import Buy, Held, Opened
from offchain.agents.delivery import pack_access, verifier_domain
from offchain.agents.delivery_keys import gift_purpose
from offchain.agents.oracle_ports import DataEntry, Op
from offchain.agents.sale_view import Shown
from offchain.agents.token_view import read_token
from offchain.agents.trade_errors import DeliveredWrong, GoodsMoved, OrderElsewhere
from offchain.agents.trade_files import Invite, Proof, Proofs
from offchain.chain.model import Receipt, TypedCall

__all__ = ["Held", "Hold", "shown_of"]
Send = Callable[[TypedCall, str], Receipt]


@dataclass(frozen=True, slots=True)
class Hold:
    """One wallet that holds tokens; it looks at what it gets as a buyer does."""

    look: Buy
    send: Send

    async def open(self, token_id: int) -> list[Held]:
        """Every entry of a token of this wallet. Raises: KeyNotHeld, Corrupt, Unavailable."""
        return await self.look.open_own(token_id)

    def invite(self, token_id: int) -> Invite:
        """Where this wallet wants a gift's data keys sealed to."""
        clients = self.look.clients
        token = read_token(clients, token_id)
        return Invite(
            chain_id=clients.chain_id,
            collection=clients.nft.address,
            token=token_id,
            epoch=token.epoch,
            receiver=self.look.signer.address,
            delivery_key=self.look.keys.public(gift_purpose(token_id, token.epoch)),
        )

    async def agree(self, proofs: Proofs) -> tuple[Proofs, list[Opened]]:
        """Open what is to be given, and sign for it: without that the token cannot move.

        Raises: OrderElsewhere, GoodsMoved, DeliveredWrong.
        """
        look = self.look
        here = (look.clients.chain_id, look.clients.nft.address)
        if (proofs.chain_id, proofs.collection) != here or proofs.op not in tuple(Op):
            raise OrderElsewhere(chain_id=proofs.chain_id, collection=proofs.collection.hex())
        token = await asyncio.to_thread(read_token, look.clients, proofs.token)
        if token.epoch != proofs.epoch or proofs.receiver != look.signer.address:
            raise GoodsMoved(token=proofs.token, epoch=token.epoch)
        secret = look.keys.secret(gift_purpose(proofs.token, proofs.epoch))
        domain = verifier_domain(
            chain_id=look.clients.chain_id, verifier=look.clients.verifier.address
        )
        if len(proofs.proofs) != len(token.entries):
            raise DeliveredWrong(part="entries", token=proofs.token)
        signed, opened = [], []
        for old, one in zip(token.entries, proofs.proofs, strict=True):
            shown = shown_of(proofs, one, old)
            opened.append(await look.open(shown, secret))
            deadline = one.ownership.deadline
            digest = shown.delivery.access(deadline).digest(domain)
            signature = look.signer.sign_digest(digest)
            signed.append(replace(one, access=pack_access(deadline, signature)))
        return replace(proofs, proofs=tuple(signed)), opened

    async def give(self, proofs: Proofs) -> Receipt:
        """Hand the token over, once its receiver has signed."""
        nft, to = self.look.clients.nft, proofs.receiver
        fields = [one.fields() for one in proofs.proofs]
        if proofs.op == Op.CLONE:
            call = nft.i_clone(to, proofs.token, fields)
        else:
            call = nft.i_transfer(to, proofs.token, fields)
        name = proofs.proofs[0].ownership.new_data_hash.hex()
        return await asyncio.to_thread(self.send, call, f"agent.give:{proofs.token}:{name}")


def shown_of(proofs: Proofs, one: Proof, old: DataEntry) -> Shown:
    """A delivery in hand, as its receiver looks at it. Raises: DeliveredWrong."""
    own, roots = one.ownership, one.ownership.roots
    if (own.old_data_hash, roots.content_root) != (old.data_hash, old.content_root):
        raise DeliveredWrong(part="entry", token=proofs.token)
    new = DataEntry(
        own.new_data_hash, old.content_root, roots.key_root, roots.key_commit, roots.location
    )
    said = own.delivery(
        collection=proofs.collection,
        token=proofs.token,
        epoch=proofs.epoch,
        op=proofs.op,
        receiver=proofs.receiver,
    )
    return Shown(old, new, own.sealed_key, said)
