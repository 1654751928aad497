"""Registering, rotating keys, naming signers: who may, and what a key must prove."""

import boa
import pytest
from py_arkworks_bls12381 import G1Point

from offchain.core.bls import DST_POSSESSION, DST_SIGNATURE, encode_g1
from offchain.core.hashing import TAG_POSSESSION, keccak
from tests.support.staking import (
    COIN,
    CUTOFF,
    DA,
    DAY,
    EPOCH,
    STORAGE,
    StakingSite,
    a_key,
    a_member,
    a_wallet,
    an_operator,
    deploy_staking,
    key_bytes,
    next_epoch,
    proof_of_possession,
    staking_deployer,
)

FIELD = int(
    "1A0111EA397FE69A4B1BA7B6434BACD764774B84F38512BF"
    "6730D2A0F6B0F6241EABFFFEB153FFFFB9FEFFFFFFFFAAAB",
    16,
)
# (4, y): on the curve, not in the subgroup of order r
OUTSIDE_X = 4
OUTSIDE_Y = int(
    "0A989BADD40D6212B33CFFC3F3763E9BC760F988C9926B26"
    "DA9DD85E928483446346B8ED00E1DE5D5EA93E354ABE706C",
    16,
)


@pytest.fixture
def owner() -> str:
    return a_wallet("owner")


def untouched(site: StakingSite, owner: str) -> bool:
    return site.registry.operator_count() == 0 and site.registry.operator_of(owner) == 0


def test_register__proven_key__operator_owns_it(site: StakingSite, owner: str) -> None:
    key = a_key(1)
    proof = proof_of_possession(site, owner, key)

    operator_id = site.registry.register(key_bytes(key), proof, sender=owner)

    key_hash = keccak(key_bytes(key))
    assert operator_id == 1 == site.stake.operator_of(owner)
    assert tuple(site.stake.operator(1)) == (owner, owner, key_hash, False)
    assert site.registry.key_of(1) == key_bytes(key)
    assert site.stake.operator_of_key(key_hash) == 1


def test_possession_digest__equals_its_definition(site: StakingSite, owner: str) -> None:
    key_hash = keccak(key_bytes(a_key(1)))
    words = (
        TAG_POSSESSION,
        boa.env.evm.patch.chain_id.to_bytes(32, "big"),
        bytes(12) + bytes.fromhex(site.stake.address[2:]),
        bytes(12) + bytes.fromhex(owner[2:]),
        key_hash,
    )

    assert keccak(*words) == site.registry.possession_digest(owner, key_bytes(a_key(1)))


def test_register__same_account_twice__refused(site: StakingSite, owner: str) -> None:
    key = a_key(1)
    site.registry.register(key_bytes(key), proof_of_possession(site, owner, key), sender=owner)
    second = a_key(2)
    proof = proof_of_possession(site, owner, second)

    with boa.reverts("keys: account taken"):
        site.registry.register(key_bytes(second), proof, sender=owner)
    assert site.registry.operator_count() == 1


def test_inv_stake_10__key_of_another_operator__refused(site: StakingSite, owner: str) -> None:
    first = an_operator(site, 1)
    proof = proof_of_possession(site, owner, first.key)

    with boa.reverts("keys: key seen before"):
        site.registry.register(key_bytes(first.key), proof, sender=owner)
    assert site.registry.operator_of_key(keccak(key_bytes(first.key))) == 1


def test_inv_stake_10__proof_copied_from_the_mempool__refused(
    site: StakingSite, owner: str
) -> None:
    """A front-runner who sees key and proof cannot register them: the proof names its owner."""
    thief = a_wallet("thief")
    proof = proof_of_possession(site, owner, a_key(1))

    with boa.reverts("keys: possession not proven"):
        site.registry.register(key_bytes(a_key(1)), proof, sender=thief)
    assert untouched(site, thief)
    assert site.registry.register(key_bytes(a_key(1)), proof, sender=owner) == 1


def test_inv_stake_10__proof_for_another_deployment__refused(site: StakingSite, owner: str) -> None:
    elsewhere = deploy_staking()
    proof = proof_of_possession(elsewhere, owner, a_key(1))

    with boa.reverts("keys: possession not proven"):
        site.registry.register(key_bytes(a_key(1)), proof, sender=owner)
    assert untouched(site, owner)


def test_inv_stake_10__signature_in_the_message_domain__is_no_proof(
    site: StakingSite, owner: str
) -> None:
    digest = site.registry.possession_digest(owner, key_bytes(a_key(1)))
    signed = a_key(1).sign(digest, DST_SIGNATURE).eip2537()

    with boa.reverts("keys: possession not proven"):
        site.registry.register(key_bytes(a_key(1)), signed, sender=owner)
    assert untouched(site, owner)


def test_register__rogue_key_made_from_anothers__refused(site: StakingSite, owner: str) -> None:
    """K' = xG - K would cancel K in a sum; without K's secret nobody can prove it."""
    victim = a_key(1).public_key()
    point = G1Point.from_xy_bytes_be(victim.eip2537()[16:64] + victim.eip2537()[80:])
    rogue = encode_g1(G1Point() - point)
    digest = site.registry.possession_digest(owner, rogue)
    proof = a_key(2).sign(digest, DST_POSSESSION).eip2537()

    with boa.reverts("keys: possession not proven"):
        site.registry.register(rogue, proof, sender=owner)
    assert untouched(site, owner)


def malformed_keys() -> dict[str, tuple[bytes, str]]:
    good = key_bytes(a_key(1))
    x, y = good[16:64], good[80:]
    shifted = (int.from_bytes(x, "big") + FIELD).to_bytes(64, "big")
    outside = OUTSIDE_X.to_bytes(64, "big") + OUTSIDE_Y.to_bytes(64, "big")
    return {
        "identity": (bytes(128), "keys: identity"),
        "short": (good[:-1], "keys: wrong length"),
        "empty": (b"", "keys: wrong length"),
        "off curve": (good[:-1] + bytes([good[-1] ^ 1]), "keys: possession not proven"),
        "outside the subgroup": (outside, "keys: possession not proven"),
        "coordinate not reduced": (shifted + good[64:], "keys: possession not proven"),
        "dirty padding": (b"\x01" + good[1:], "keys: possession not proven"),
        "swapped coordinates": (bytes(16) + y + bytes(16) + x, "keys: possession not proven"),
    }


@pytest.mark.parametrize("case", list(malformed_keys()))
def test_register__malformed_key__refused(site: StakingSite, owner: str, case: str) -> None:
    key, reason = malformed_keys()[case]
    digest = site.registry.possession_digest(owner, key)
    proof = a_key(1).sign(digest, DST_POSSESSION).eip2537()

    with boa.reverts(reason):
        site.registry.register(key, proof, sender=owner)
    assert untouched(site, owner)


@pytest.mark.parametrize("length", [0, 128, 255])
def test_register__proof_of_wrong_length__refused(
    site: StakingSite, owner: str, length: int
) -> None:
    with boa.reverts("keys: wrong length"):
        site.registry.register(key_bytes(a_key(1)), bytes(length), sender=owner)
    assert untouched(site, owner)


def test_register__identity_as_proof__refused(site: StakingSite, owner: str) -> None:
    with boa.reverts("keys: possession not proven"):
        site.registry.register(key_bytes(a_key(1)), bytes(256), sender=owner)
    assert untouched(site, owner)


def test_rotate_key__from_the_next_epoch__old_key_points_here_for_ever(site: StakingSite) -> None:
    operator = an_operator(site, 1)
    next_epoch(2)
    epoch = site.stake.current_epoch()
    fresh = a_key(50)
    proof = proof_of_possession(site, operator.owner, fresh)

    site.registry.rotate_key(key_bytes(fresh), proof, sender=operator.owner)

    assert site.stake.key_at(1, epoch) == key_bytes(operator.key)
    assert site.stake.key_at(1, epoch + 1) == key_bytes(fresh) == site.registry.key_of(1)
    for key in (operator.key, fresh):
        assert site.stake.operator_of_key(keccak(key_bytes(key))) == 1
    back = proof_of_possession(site, operator.owner, operator.key)
    with boa.reverts("keys: key seen before"):
        site.registry.rotate_key(key_bytes(operator.key), back, sender=operator.owner)


def test_rotate_key__many_times__every_epoch_keeps_its_key(site: StakingSite) -> None:
    operator = a_member(site, 1)
    expected = {}
    next_epoch(2)
    for number in range(60, 66):
        key = a_key(number)
        proof = proof_of_possession(site, operator.owner, key)
        site.registry.rotate_key(key_bytes(key), proof, sender=operator.owner)
        next_epoch(number % 3 + 1)
        expected[site.stake.current_epoch()] = key_bytes(key)

    for epoch, key in expected.items():
        assert site.stake.key_at(1, epoch) == key
    assert site.stake.key_at(1, 0) == bytes(128)
    assert site.registry.aggregate_key(DA) == key_bytes(a_key(65))


def test_rotate_key__twice_within_an_epoch__only_the_last_counts(site: StakingSite) -> None:
    operator = a_member(site, 1)
    next_epoch(2)
    epoch = site.stake.current_epoch()
    for number in (70, 71):
        proof = proof_of_possession(site, operator.owner, a_key(number))
        site.registry.rotate_key(key_bytes(a_key(number)), proof, sender=operator.owner)

    assert site.stake.key_at(1, epoch) == key_bytes(operator.key)
    assert site.stake.key_at(1, epoch + 1) == key_bytes(a_key(71))
    assert site.registry.aggregate_key(DA) == key_bytes(a_key(71))


def test_rotate_key__by_the_signer_or_a_stranger__refused(site: StakingSite) -> None:
    operator = an_operator(site, 1)
    signer, stranger = a_wallet("signer"), a_wallet("stranger")
    site.registry.offer_signer(signer, sender=operator.owner)
    site.registry.accept_signer(1, sender=signer)

    for caller in (signer, stranger):
        proof = proof_of_possession(site, caller, a_key(51))
        with boa.reverts("registry: not an owner"):
            site.registry.rotate_key(key_bytes(a_key(51)), proof, sender=caller)
    assert site.registry.key_of(1) == key_bytes(operator.key)


def test_signer__accepts_in_person__then_stands_for_the_operator(site: StakingSite) -> None:
    operator = an_operator(site, 1)
    signer, next_signer, stranger = (a_wallet(name) for name in ("signer", "next", "stranger"))
    site.registry.offer_signer(signer, sender=operator.owner)

    with boa.reverts("keys: not the offered signer"):
        site.registry.accept_signer(1, sender=stranger)
    site.registry.accept_signer(1, sender=signer)
    with boa.reverts("keys: not the offered signer"):
        site.registry.accept_signer(1, sender=signer)

    assert site.stake.operator(1).signer == signer
    assert site.stake.operator_of(signer) == site.stake.operator_of(operator.owner) == 1
    site.registry.offer_signer(next_signer, sender=operator.owner)
    site.registry.accept_signer(1, sender=next_signer)
    assert site.stake.operator_of(signer) == 0
    site.registry.offer_signer(operator.owner, sender=operator.owner)
    site.registry.accept_signer(1, sender=operator.owner)
    assert site.stake.operator(1).signer == operator.owner == site.stake.operator(1).owner
    assert site.stake.operator_of(operator.owner) == 1


def test_signer__of_another_operator__refused(site: StakingSite) -> None:
    operator, rival = an_operator(site, 1), an_operator(site, 2)
    site.registry.offer_signer(rival.owner, sender=operator.owner)

    with boa.reverts("keys: account taken"):
        site.registry.accept_signer(1, sender=rival.owner)
    assert site.stake.operator(1).signer == operator.owner


def test_offer_signer__by_a_stranger__refused(site: StakingSite) -> None:
    stranger = a_wallet("stranger")

    with boa.reverts("registry: not an owner"):
        site.registry.offer_signer(stranger, sender=stranger)


def test_seats_and_weights__not_by_stake_manager__refused(site: StakingSite) -> None:
    operator = a_member(site, 1)
    calls = (
        lambda caller: site.registry.take_seat(operator.pool(STORAGE), sender=caller),
        lambda caller: site.registry.leave_seat(operator.pool(DA), sender=caller),
        lambda caller: site.registry.set_weight(operator.pool(DA), 9, COIN, COIN, sender=caller),
        lambda caller: site.registry.tombstone(1, sender=caller),
    )

    for call in calls:
        for caller in (operator.owner, site.governance, site.court):
            with boa.reverts("registry: not StakeManager"):
                call(caller)
    assert site.registry.seat_of(operator.pool(DA)) == 1
    assert not site.stake.operator(1).tombstoned


def test_take_seat__service_full__refused() -> None:
    site = deploy_staking(max_operators=1)
    a_member(site, 1)

    with boa.reverts("stake_tree: no free seat"):
        site.registry.take_seat(2 << 8 | DA, sender=site.stake.address)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((EPOCH, EPOCH, DAY, 4096), "epoch_clock: cut-off too early"),
        ((EPOCH, CUTOFF, DAY + 1, 4096), "epoch_clock: epochs split days"),
        ((EPOCH, CUTOFF, DAY, 0), "stake_tree: bad seat count"),
        ((EPOCH, CUTOFF, DAY, 4097), "stake_tree: bad seat count"),
    ],
)
def test_deploy__impossible_clock_or_seats__refused(
    native_evm: None, arguments: tuple[int, ...], reason: str
) -> None:
    governance = boa.env.generate_address("governance")

    with boa.reverts(reason):
        staking_deployer("OperatorRegistry").deploy(governance, *arguments)


def test_wire_stake__once_by_governance_to_a_contract(site: StakingSite) -> None:
    stranger = a_wallet("stranger")
    fresh = staking_deployer("OperatorRegistry").deploy(stranger, EPOCH, CUTOFF, DAY, 16)

    with boa.reverts("governed: not governance"):
        fresh.wire_stake(site.stake.address, sender=site.governance)
    with boa.reverts("registry: not a contract"):
        fresh.wire_stake(boa.env.generate_address("nowhere"), sender=stranger)
    fresh.wire_stake(site.stake.address, sender=stranger)
    with boa.reverts("registry: already wired"):
        fresh.wire_stake(site.stake.address, sender=stranger)

    assert fresh.stake() == site.stake.address


def test_register__before_stake_manager_is_wired__refused(owner: str) -> None:
    fresh = staking_deployer("OperatorRegistry").deploy(owner, EPOCH, CUTOFF, DAY, 16)
    digest = fresh.possession_digest(owner, key_bytes(a_key(1)))
    proof = a_key(1).sign(digest, DST_POSSESSION).eip2537()

    with boa.reverts("registry: not wired"):
        fresh.register(key_bytes(a_key(1)), proof, sender=owner)
    assert fresh.operator_count() == 0
