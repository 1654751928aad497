"""Deliveries that oracles sign together without having made them as they should."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from offchain.agents.bundle import reencrypt
from offchain.agents.delivery import OwnershipProof, RootWords, in_order, verifier_domain
from offchain.agents.onchain_leases import CloneOrdered
from offchain.agents.oracle_ports import DataEntry, Op
from offchain.agents.sale_view import told
from offchain.agents.seal import SealContext, is_ephemeral, seal
from offchain.agents.sell import key_of_sale
from offchain.agents.token_view import AgentToken, data_keys, read_token
from offchain.agents.trade_files import Proof, Proofs
from offchain.core.hashing import keccak
from tests.support.trade_world import Person, TradeWorld

FIRST_BYTE = 88 + 32  # after the header and the first chunk's salt
HOUR = 3_600


@dataclass(frozen=True, slots=True)
class Lie:
    """What the signers do; honest unless something here says otherwise.

    `spoil`: what becomes of the new file; `chain_id`: for which they sign; 0: the right one.
    """

    spoil: Callable[[bytearray], None] = lambda _: None
    signers: Sequence[int] = (0, 1, 2)
    seconds: int = HOUR
    chain_id: int = 0
    is_in_order: bool = True


def flipped(file: bytearray) -> None:
    """One bit of the first byte of data."""
    file[FIRST_BYTE] ^= 1


def forged(world: TradeWorld, seller: Person, sale: int, lie: Lie) -> Proofs:
    """A delivery of a sale's token that these oracles sign."""
    record = world.sale(sale)
    token = read_token(world.clients, record.token)
    opened = data_keys(world.clients, token, seller.sell.keys)
    key = key_of_sale(world.clients, sale, record.buyer)
    made = tuple(
        Proof(_signed(world, token, _Wish(entry, old, key, record.buyer), lie))
        for entry, old in zip(token.entries, opened, strict=True)
    )
    clients = world.clients
    return Proofs(
        clients.chain_id,
        clients.nft.address,
        token.id,
        token.epoch,
        int(Op.TRANSFER),
        record.buyer,
        made,
    )


def forged_clone(world: TradeWorld, owner: Person, order: int, lie: Lie) -> Proofs:
    """A delivery of a clone that these oracles sign."""
    clients, record = world.clients, world.leases.order(order, at=world.at)
    token = read_token(clients, record.token)
    opened = data_keys(clients, token, owner.sell.keys)
    [ordered] = told(clients, world.leases, CloneOrdered, {"order": order})
    made = tuple(
        Proof(_signed(world, token, _Wish(entry, old, ordered.key, record.buyer, Op.CLONE), lie))
        for entry, old in zip(token.entries, opened, strict=True)
    )
    place = (clients.chain_id, clients.nft.address, token.id, token.epoch)
    return Proofs(*place, int(Op.CLONE), record.buyer, made)


@dataclass(frozen=True, slots=True)
class _Wish:
    old: DataEntry
    old_key: bytes
    public: bytes
    receiver: bytes
    op: Op = Op.TRANSFER


def _signed(world: TradeWorld, token: AgentToken, wish: _Wish, lie: Lie) -> OwnershipProof:
    clients, old = world.clients, wish.old
    new_key = world.draw(32)
    made = reencrypt(
        world.store.content[old.location],
        wish.old_key,
        new_key,
        old.content_root,
        hash_many=world.engines.hash_many,
    )
    raw = bytearray(made.file)
    lie.spoil(raw)
    file = bytes(raw)
    data_hash = world.engines.root_of(file)
    location = keccak(b"forged", data_hash)
    world.store.content[location] = file
    world.keep(location, data_hash)
    context = SealContext(
        clients.chain_id, clients.nft.address, token.id, token.epoch, wish.receiver, data_hash
    )
    scalar = next(one for one in iter(lambda: world.draw(32), b"") if is_ephemeral(one))
    own = OwnershipProof(
        old_data_hash=old.data_hash,
        new_data_hash=data_hash,
        sealed_key=seal(new_key, wish.public, context, scalar=scalar),
        public_key=wish.public,
        nonce=world.draw(32),
        roots=RootWords(
            old.content_root,
            old.key_root,
            old.key_commit,
            old.location,
            made.roots.key_root,
            made.roots.key_commit,
            location,
        ),
        deadline=world.now + lie.seconds,
        signatures=(),
    )
    said = own.delivery(
        collection=clients.nft.address,
        token=token.id,
        epoch=token.epoch,
        op=int(wish.op),
        receiver=wish.receiver,
    )
    domain = verifier_domain(
        chain_id=lie.chain_id or clients.chain_id, verifier=clients.verifier.address
    )
    digest = said.digest(domain)
    keys = [list(world.oracle_keys.values())[one].signer for one in lie.signers]
    signatures = in_order(digest, [one.sign_digest(digest) for one in keys])
    return replace(own, signatures=signatures if lie.is_in_order else signatures[::-1])
