"""The one computation of a delivery, from the oracles' secrets to the new key and file; pure.

Everything follows from its inputs, so all oracles of an order make the same bytes; a liar's differ,
and his signature does not fit. Source: docs/protocol/agents.md#delivery-oracle.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from offchain.agents.bundle import key_commit_of, reencrypt
from offchain.agents.delivery import Delivery, joint_seed, keys_of, verifier_domain
from offchain.agents.oracle_errors import OrderRefused
from offchain.agents.oracle_ports import DATA_KEY_BYTES, DataEntry, Derived, Order
from offchain.agents.seal import SealContext, is_point, seal
from offchain.core.hashing import Digest, keccak
from offchain.core.merkle import HashMany, hash_each


@dataclass(frozen=True, slots=True)
class Engines:
    """What computes: the root of a stored file, and many hashes at once."""

    root_of: Callable[[bytes], bytes]
    hash_many: HashMany = hash_each


@dataclass(frozen=True, slots=True)
class Recrypted:
    """What an oracle made, and the file that goes with it."""

    derived: Derived
    file: bytes = field(repr=False)


def recrypt(
    order: Order,
    secrets: Sequence[bytes],
    old_key: bytes,
    old_file: bytes,
    engines: Engines,
) -> Recrypted:
    """Make the key that all secrets together give, and seal the bundle and the key under it.

    `secrets` in the order of the signers. Raises: OrderRefused, BundleBroken.
    """
    if len(old_key) != DATA_KEY_BYTES or key_commit_of(old_key) != order.old.key_commit:
        raise OrderRefused(part="old_key")
    if not is_point(order.delivery_key):
        raise OrderRefused(part="delivery_key")
    joint = keys_of(joint_seed(secrets, order.id))
    made = reencrypt(
        old_file,
        old_key,
        joint.data_key,
        order.old.content_root,
        hash_many=engines.hash_many,
    )
    new_data_hash = engines.root_of(made.file)
    context = seal_context(order, new_data_hash)
    sealed = seal(joint.data_key, order.delivery_key, context, scalar=joint.scalar)
    derived = Derived(new_data_hash, made.roots.key_root, made.roots.key_commit, sealed)
    return Recrypted(derived, made.file)


def seal_context(order: Order, new_data_hash: bytes) -> SealContext:
    """What the sealed key is bound to."""
    return SealContext(
        order.chain_id, order.collection, order.token, order.epoch, order.receiver, new_data_hash
    )


def new_entry(order: Order, derived: Derived, location: bytes) -> DataEntry:
    """The entry that takes the place of the old one."""
    return DataEntry(
        derived.new_data_hash,
        order.old.content_root,
        derived.key_root,
        derived.key_commit,
        location,
    )


def delivery_of(order: Order, derived: Derived, location: bytes) -> Delivery:
    """What the oracles of an order sign."""
    return Delivery(
        collection=order.collection,
        token=order.token,
        epoch=order.epoch,
        op=int(order.op),
        receiver=order.receiver,
        old_data_hash=order.old.data_hash,
        new_data_hash=derived.new_data_hash,
        content_root=order.old.content_root,
        key_root=derived.key_root,
        key_commit=derived.key_commit,
        location=location,
        sealed_key_hash=keccak(derived.sealed_key),
        key_hash=keccak(order.delivery_key),
        nonce_hash=keccak(order.nonce),
        deadline=order.deadline,
    )


def delivery_digest(order: Order, derived: Derived, location: bytes) -> Digest:
    """The EIP-712 digest of a delivery."""
    domain = verifier_domain(chain_id=order.chain_id, verifier=order.verifier)
    return delivery_of(order, derived, location).digest(domain)
