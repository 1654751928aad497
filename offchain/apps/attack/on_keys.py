"""Attacks on keys and certificates: what the contracts refuse to register and to confirm.

Each is asked of the chain as a call of the attacker; the chain's answer is the refusal.
Certificates are made from the attestations of real nodes for a blob that is paid, and the true one
is accepted in the end, so that nothing but the change was refused.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from offchain.apps.attack.arena import DISPERSER, Arena, Disperser
from offchain.apps.attack.report import Outcome, require
from offchain.chain.errors import TransactionRefused
from offchain.chain.keys import LocalSigner
from offchain.chain.model import TypedCall
from offchain.chain.ports import UnsignedTransaction
from offchain.core.bls import (
    DST_POSSESSION,
    PublicKey,
    SecretKey,
    aggregate_keys,
    aggregate_signatures,
)
from offchain.core.errors import ApogeeError
from offchain.core.hashing import keccak
from offchain.da.aggregate import certificate_of
from offchain.da.duties import BlobView
from offchain.da.model import Attestation, Blob, Certificate, attestation_digest, domain_separator

ATTACKER: Final = "attacker"
SIZE: Final = 100_000
BASE_FIELD: Final = int(  # the prime that coordinates of G1 lie below
    "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf"
    "6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
    16,
)


def attack_registration(arena: Arena) -> list[Outcome]:
    """Rogue, borrowed, foreign and empty keys."""
    arena.fund(ATTACKER)
    registry, secret = arena.network.registry, SecretKey.from_seed(keccak(b"rogue" * 8))
    victim = arena.bls(0).public_key()
    rogue = aggregate_keys([secret.public_key(), negated(victim)])
    at = arena.network.node.block().hash

    def signed(key: bytes, owner: str) -> bytes:
        digest = registry.possession_digest(arena.address(owner), key, at=at)
        return secret.sign(digest, DST_POSSESSION).eip2537()

    own = secret.public_key().eip2537()
    tries: list[tuple[str, bytes, bytes]] = [
        ("rogue key: own key minus a victim's", rogue.eip2537(), signed(rogue.eip2537(), ATTACKER)),
        ("key without proof of possession", own, bytes(256)),
        ("proof made for another operator", own, signed(own, DISPERSER)),
        ("a key that is in use", victim.eip2537(), signed(victim.eip2537(), ATTACKER)),
        ("the identity as a key", bytes(128), signed(own, ATTACKER)),
        ("a key off the curve", own[:-1] + bytes([own[-1] ^ 1]), signed(own, ATTACKER)),
    ]
    return [
        _refused(arena, name, registry.register(key, proof), ATTACKER) for name, key, proof in tries
    ]


def attack_certificates(arena: Arena) -> list[Outcome]:
    """Doubled, empty, stale and foreign certificates of a blob that real nodes have signed."""
    return asyncio.run(_attack_certificates(arena))


async def _attack_certificates(arena: Arena) -> list[Outcome]:
    arena.draw_table()
    async with arena.disperser() as disperser:
        blob, view, true = await _signed_blob(arena, disperser)
    arena.fund(ATTACKER)
    entrance = arena.network.entrance
    outcomes = [
        _refused(arena, name, entrance.confirm(blob, forged), ATTACKER)
        for name, forged in _forgeries(arena, view, true)
    ]
    honest = entrance.confirm(blob, true)
    empty = replace(honest, data=honest.data.replace(true.signature.eip2537(), bytes(256)))
    outcomes.append(_refused(arena, "the identity as a signature", empty, ATTACKER))
    outcomes.append(_replayed_transaction(arena))
    with arena.sender(ATTACKER) as sender:
        sender.execute(honest, key=f"attack.confirm:{view.record.blob_id.hex()}")
    at = arena.network.node.block().hash
    is_good = entrance.is_available(view.record.blob_id, at=at)
    require(is_good, "certificates", "the true certificate was refused")
    return outcomes


async def _signed_blob(arena: Arena, disperser: Disperser) -> tuple[Blob, BlobView, Certificate]:
    """A blob that is paid and signed for by every node, and not confirmed yet."""
    planned = await arena.plan(disperser, SIZE)
    view = arena.paid_view(disperser, planned)
    assert view.duties is not None
    parcel = await arena.parcel(planned, view)
    delivery = await disperser.deliver.deliver(parcel)
    planned.let_go()
    return planned.record.terms.blob(), view, certificate_of(view.duties, delivery.signatures)


def _forgeries(
    arena: Arena, view: BlobView, true: Certificate
) -> Iterator[tuple[str, Certificate]]:
    """Certificates that say less, or something else, than the nodes signed."""
    assert view.duties is not None
    domain, statement = arena.ledger.domain(), view.attestation()
    chain_id, entrance = arena.network.chain_id, arena.network.entrance.address
    first = view.duties.members[0].absent()
    foreign = domain_separator(chain_id=chain_id + 1, entrance=entrance)
    stale = replace(statement, epoch=max(0, statement.epoch - 1), seed=keccak(statement.seed))
    yield "one absent signer named twice", replace(true, absent=(first, first))
    yield "a certificate of a stale quorum", _signed_by_all(arena, stale, domain)
    yield "a certificate of another chain", _signed_by_all(arena, statement, foreign)


def _signed_by_all(arena: Arena, statement: Attestation, domain: bytes) -> Certificate:
    """What a bribed quorum could sign: every key of this home signs it."""
    digest = attestation_digest(statement, domain)
    nodes = range(arena.system.manifest.nodes)
    return Certificate((), aggregate_signatures([arena.bls(i).sign(digest) for i in nodes]))


def _replayed_transaction(arena: Arena) -> Outcome:
    """A transaction that was signed for another chain, handed to this one."""
    name, node = "a transaction of another chain", arena.network.node
    signer = LocalSigner.from_secret(arena.account(ATTACKER).secret)
    at = node.block().hash
    raw = signer.sign_transaction(
        UnsignedTransaction(
            chain_id=arena.network.chain_id + 1,
            nonce=node.nonce(signer.address, at=at),
            to=arena.address(DISPERSER),
            data=b"",
            value_wei=1,
            gas=21_000,
            max_fee_wei=node.fees().base_fee_wei * 2,
            tip_wei=1,
        )
    )
    [error] = node.broadcast([raw])
    require(isinstance(error, TransactionRefused), name, "the chain took it")
    return Outcome(name, "refused by the chain")


def _refused(arena: Arena, name: str, call: TypedCall, role: str) -> Outcome:
    error = arena.refusal(call, role)
    require(error is not None, name, "the contract would do it")
    assert isinstance(error, ApogeeError)
    return Outcome(name, f"refused: {error.fields.get('reason', error.code)}")


def negated(key: PublicKey) -> PublicKey:
    """The point with the other sign."""
    raw = key.eip2537()
    y = BASE_FIELD - int.from_bytes(raw[64:], "big")
    return PublicKey.parse(raw[:64] + y.to_bytes(64, "big"))
