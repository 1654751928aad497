"""The collection on the real verifier: what oracles and receivers signed, and what they did not."""

from collections.abc import Iterator, Sequence
from typing import Any

import boa
import pytest

from offchain.agents.delivery import TRANSFER, Access, pack_access, verifier_domain
from offchain.chain.keys import LocalSigner
from offchain.core.hashing import keccak
from tests.support.agent_goods import HOUR, Fields, RealGoods, deploy_goods, raw
from tests.support.native_evm import keep_moment, return_to
from tests.support.staking import a_wallet

KEY = b"\x01" * 64
RECEIVER = LocalSigner.from_secret(keccak(b"receiver of a token"))
RECEIVER_ADDRESS = "0x" + RECEIVER.address.hex()
SIGNATURE_BYTES = 65


@pytest.fixture(scope="session")
def real_collection(native_evm: None) -> Iterator[RealGoods]:
    boa.env.set_random_seed("real agents")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            goods = deploy_goods(oracles=4)
        keep_moment("real agents")
        yield goods


@pytest.fixture(autouse=True)
def at_its_own_moment(at_its_moment: None, real_collection: RealGoods) -> None:
    return_to("real agents")


@pytest.fixture
def owner() -> str:
    return a_wallet("owner")


@pytest.fixture
def token(real_collection: RealGoods, owner: str) -> int:
    return real_collection.mint(owner, owner, 0)


def access_to(goods: RealGoods, token: int, proofs: Sequence[Fields], by: LocalSigner) -> Fields:
    """The first proof with the receiver's word for it."""
    [(wanted, owned)] = proofs
    deadline = int(boa.env.timestamp) + HOUR
    access = Access(
        collection=raw(goods.nft),
        token=token,
        epoch=int(goods.nft.epoch_of(token)[0]),
        op=TRANSFER,
        receiver=RECEIVER.address,
        old_data_hash=wanted[0],
        new_data_hash=wanted[1],
        key_hash=keccak(KEY),
        nonce_hash=keccak(wanted[2]),
        deadline=deadline,
    )
    domain = verifier_domain(chain_id=int(boa.env.evm.patch.chain_id), verifier=raw(goods.verifier))
    signature = by.sign_digest(access.digest(domain))
    return ((*wanted[:4], pack_access(deadline, signature)), owned)


def signed_for(goods: RealGoods, token: int, *, count: int = 3) -> list[Any]:
    proofs = goods.proofs(token, RECEIVER_ADDRESS, KEY, count=count)
    return [access_to(goods, token, proofs, RECEIVER)]


def stand(goods: RealGoods, token: int) -> tuple[Any, ...]:
    """All that a refused transfer must leave."""
    nft = goods.nft
    return nft.ownerOf(token), nft.entries_of(token), nft.epoch_of(token), nft.lock_of(token)


def refused(goods: RealGoods, token: int, proofs: list[Any], reason: str, owner: str) -> None:
    before = stand(goods, token)
    with boa.reverts(reason):
        goods.nft.iTransfer(RECEIVER_ADDRESS, token, proofs, sender=owner)
    assert stand(goods, token) == before


def test_i_transfer__signed_by_all__moves_once(
    real_collection: RealGoods, owner: str, token: int
) -> None:
    goods = real_collection
    proofs = signed_for(goods, token)

    goods.nft.iTransfer(RECEIVER_ADDRESS, token, proofs, sender=owner)

    assert goods.nft.ownerOf(token).lower() == RECEIVER_ADDRESS
    assert goods.nft.entries_of(token) == goods.outputs(proofs)
    with boa.reverts("key_delivery: not an oracle"):  # the epoch is in what they signed
        goods.nft.iTransfer(owner, token, proofs, sender=RECEIVER_ADDRESS)


def test_i_transfer__oracle_below_quorum_or_lying__refused(
    real_collection: RealGoods, owner: str, token: int
) -> None:
    goods = real_collection
    refused(goods, token, signed_for(goods, token, count=2), "key_delivery: below quorum", owner)
    [(wanted, owned)] = signed_for(goods, token)
    proof = bytes(owned[6])
    liar = LocalSigner.from_secret(keccak(b"nobody's oracle")).sign_digest(keccak(b"a lie"))
    for place in range(3):
        at = len(proof) - (3 - place) * SIGNATURE_BYTES
        spoilt = proof[:at] + liar + proof[at + SIGNATURE_BYTES :]
        entry = (wanted, (*owned[:6], spoilt))
        refused(goods, token, [entry], "key_delivery: not an oracle", owner)


def test_i_transfer__expired__refused(real_collection: RealGoods, owner: str, token: int) -> None:
    goods = real_collection
    proofs = signed_for(goods, token)
    boa.env.timestamp += HOUR + 1

    refused(goods, token, proofs, "access_rules: expired", owner)


def test_i_transfer__signed_on_another_chain__refused(
    real_collection: RealGoods, owner: str, token: int
) -> None:
    goods = real_collection
    here = boa.env.evm.patch.chain_id
    try:
        boa.env.evm.patch.chain_id = here + 1
        proofs = signed_for(goods, token)
    finally:
        boa.env.evm.patch.chain_id = here

    refused(goods, token, proofs, "key_delivery: not an oracle", owner)


def test_i_transfer__proof_of_another_token_of_the_same_owner__refused(
    real_collection: RealGoods, owner: str, token: int
) -> None:
    goods = real_collection
    other = goods.mint(owner, owner, 0)

    refused(goods, token, signed_for(goods, other), "key_delivery: not an oracle", owner)


def test_i_transfer__receiver_said_nothing_or_somebody_else_did__refused(
    real_collection: RealGoods, owner: str, token: int
) -> None:
    goods = real_collection
    proofs = goods.proofs(token, RECEIVER_ADDRESS, KEY)
    refused(goods, token, proofs, "access_rules: nobody signed", owner)
    stranger = LocalSigner.from_secret(keccak(b"stranger"))

    forged = [access_to(goods, token, proofs, stranger)]

    refused(goods, token, forged, "access_rules: not the receiver", owner)


def test_locker__same_nonce_for_a_token_that_was_aborted__counts_once(
    real_collection: RealGoods, owner: str, token: int
) -> None:
    """Its first showing spent the nonce, though the locker let the token go afterwards."""
    goods, nft = real_collection, real_collection.nft
    locker = boa.load_partial("tests/support/agents_locker.vy").deploy(True)
    proofs = goods.proofs(token, RECEIVER_ADDRESS, KEY)
    until = int(boa.env.timestamp) + HOUR

    def by(function: str, *arguments: Any) -> None:
        locker.relay(nft.address, getattr(nft, function).prepare_calldata(*arguments))

    nft.approve(locker.address, token, sender=owner)
    by("lock", token, until)
    by("prepare", token, RECEIVER_ADDRESS, keccak(KEY), proofs, False)
    by("abort", token)
    by("lock", token, until)

    with boa.reverts("key_delivery: nonce is spent"):
        by("prepare", token, RECEIVER_ADDRESS, keccak(KEY), proofs, False)
    assert nft.ownerOf(token) == owner
