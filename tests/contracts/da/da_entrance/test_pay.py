"""Paying for a blob: exact fee, one payment an id, a staked disperser that agreed."""

from dataclasses import replace

import boa
import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from offchain.core.hashing import keccak
from offchain.core.layout import MAX_PAYLOAD_BYTES, STEP_PAYLOAD_BYTES, columns_for
from offchain.da.model import (
    Blob,
    BlobState,
    blob_id,
    dispersal_digest,
    domain_separator,
    fee_wei,
)
from tests.contracts.da.conftest import Refused
from tests.support.da import (
    COMMITMENT,
    TERMS,
    WINDOWS,
    DaSite,
    a_blob,
    blob_tuple,
    draw,
    endpoint_of,
    event_of,
    pay,
    raw,
    terms_tuple,
)
from tests.support.staking import (
    COIN,
    DA,
    a_key,
    a_member,
    a_wallet,
    key_bytes,
    next_epoch,
    proof_of_possession,
)


def own_blob(site: DaSite, **changes: object) -> Blob:
    """A blob that an operator pays and disperses itself."""
    owner = site.operators[0].owner
    return a_blob(owner, owner, **changes)


def test_pay__exact_fee__holds_it_and_records_the_blob(site: DaSite) -> None:
    blob = own_blob(site)
    fee = fee_wei(blob.length, blob.retention_days, TERMS)

    identifier = pay(site, blob, value=fee)

    event = event_of(site, "BlobPaid")
    record = site.record(identifier)
    paid_at = boa.env.timestamp
    assert identifier == site.blob_id(blob) == site.entrance.blob_id(blob_tuple(blob))
    assert record.state is BlobState.PAID
    assert (record.paid_at, record.paid_block) == (paid_at, boa.env.evm.patch.block_number)
    assert record.deadline == paid_at + WINDOWS.confirm
    assert record.expiry == paid_at + 14 * WINDOWS.day
    assert record.epoch == site.stake.current_epoch()
    assert record.disperser_id == site.operators[0].operator_id
    assert (record.confirm_slices, record.operators) == (2_048, 0)
    assert record.fee == fee == site.entrance.held() == boa.env.get_balance(site.entrance.address)
    assert not site.entrance.is_available(identifier)
    assert (event.blob_id, event.commitment, event.fee) == (identifier, COMMITMENT, fee)


@given(
    length=st.one_of(
        st.integers(1, MAX_PAYLOAD_BYTES),
        st.integers(1, 128).flatmap(
            lambda step: st.integers(-1, 1).map(
                lambda near: min(max(step * STEP_PAYLOAD_BYTES + near, 1), MAX_PAYLOAD_BYTES)
            )
        ),
    ),
    days=st.integers(1, 21),
)
def test_inv_da_12__any_length_and_days__fee_is_the_models_to_the_wei(
    undrawn_site: DaSite, length: int, days: int
) -> None:
    expected = fee_wei(length, days, TERMS)

    assert expected == undrawn_site.entrance.quote(length, days)
    assert expected == max(length, STEP_PAYLOAD_BYTES) * TERMS.price * days


@pytest.mark.parametrize(
    ("length", "days", "reason"),
    [
        (0, 1, "blob_terms: empty payload"),
        (MAX_PAYLOAD_BYTES + 1, 1, "blob_terms: payload too large"),
        (1, 0, "blob_terms: no retention"),
        (1, 22, "blob_terms: retention too long"),
    ],
)
def test_quote__outside_the_terms__is_refused(
    undrawn_site: DaSite, length: int, days: int, reason: str, refused: Refused
) -> None:
    with refused(reason):
        undrawn_site.entrance.quote(length, days)


def test_pay__more_than_the_fee__credits_the_excess(site: DaSite) -> None:
    blob = own_blob(site)
    fee = site.entrance.quote(blob.length, blob.retention_days)

    pay(site, blob, value=fee + 123)

    owner = site.operators[0].owner
    assert (site.entrance.held(), site.entrance.credit_of(owner)) == (fee, 123)


def test_pay__less_than_the_fee__is_refused(site: DaSite, refused: Refused) -> None:
    blob = own_blob(site)
    fee = site.entrance.quote(blob.length, blob.retention_days)

    with refused("da_entrance: fee too low"):
        pay(site, blob, value=fee - 1)


def test_inv_da_12__same_blob_again__is_refused(site: DaSite, refused: Refused) -> None:
    blob = own_blob(site)
    pay(site, blob)

    with refused("blob_records: already paid"):
        pay(site, blob)
    assert pay(site, replace(blob, salt=keccak(b"other"))) != site.blob_id(blob)


def test_pay__blob_of_somebody_else__is_refused(
    site: DaSite, stranger: str, refused: Refused
) -> None:
    blob = own_blob(site)

    with refused("da_entrance: not the payer"):
        site.entrance.pay(blob_tuple(blob), COMMITMENT, b"", value=COIN, sender=stranger)


def test_pay__wrong_shape_or_commitment__is_refused(site: DaSite, refused: Refused) -> None:
    blob = own_blob(site)
    owner = site.operators[0].owner

    with refused("da_entrance: wrong columns"):
        pay(site, replace(blob, columns=blob.columns + 8))
    with refused("da_entrance: wrong commitment"):
        site.entrance.pay(
            blob_tuple(blob), COMMITMENT[:-1] + b"\xff", b"", value=COIN, sender=owner
        )
    short = replace(blob, commitment_hash=keccak(COMMITMENT[:47]))
    with refused("da_entrance: wrong commitment"):
        site.entrance.pay(blob_tuple(short), COMMITMENT[:47], b"", value=COIN, sender=owner)


def test_pay__paused__is_refused_until_resumed(site: DaSite, refused: Refused) -> None:
    site.entrance.set_paused(True, sender=site.governance)

    with refused("da_entrance: paused"):
        pay(site, own_blob(site))
    site.entrance.set_paused(False, sender=site.governance)
    pay(site, own_blob(site))


def test_pay__no_table__is_refused(undrawn_site: DaSite, refused: Refused) -> None:
    with refused("epoch_tables: not drawn"):
        pay(undrawn_site, own_blob(undrawn_site))


def test_pay__later_epoch_without_changes__carries_the_table(site: DaSite) -> None:
    next_epoch(3)

    identifier = pay(site, own_blob(site))

    assert site.record(identifier).epoch == site.stake.current_epoch()


def test_pay__before_anybody_drew_this_epoch__serves_from_the_one_before(site: DaSite) -> None:
    site.signers.leave(sender=site.operators[4].owner)
    next_epoch()

    identifier = pay(site, own_blob(site))

    assert site.record(identifier).epoch == site.stake.current_epoch() - 1


def test_pay__disperser_signed__somebody_else_pays(site: DaSite, refused: Refused) -> None:
    account = Account.from_key(keccak(b"disperser key"))
    payer = a_wallet("payer")
    disperser_id = _member_with_account(site, account)
    next_epoch()
    draw(site)
    blob = a_blob(payer, account.address)
    domain = domain_separator(chain_id=site.chain_id, entrance=raw(site.entrance.address))
    digest = dispersal_digest(site.blob_id(blob), domain)
    signature = bytes(account.unsafe_sign_hash(digest).signature)
    other = bytes(Account.from_key(keccak(b"other key")).unsafe_sign_hash(digest).signature)

    assert digest == site.entrance.dispersal_digest(site.blob_id(blob))
    assert domain == site.entrance.domain_separator()
    for wrong in (b"", other, signature[:64]):
        with refused("da_entrance: not authorised"):
            pay(site, blob, authorisation=wrong)
    with refused("da_entrance: not authorised"):
        pay(site, replace(blob, salt=keccak(b"unsigned")), authorisation=signature)
    identifier = pay(site, blob, authorisation=signature)
    assert site.record(identifier).disperser_id == disperser_id


def _member_with_account(site: DaSite, account: object) -> int:
    address = account.address
    boa.env.set_balance(address, 10**9 * COIN)
    key = a_key(910)
    proof = proof_of_possession(site.staking, address, key)
    operator_id = site.staking.registry.register(key_bytes(key), proof, sender=address)
    site.stake.join(DA, 0, value=100 * COIN, sender=address)
    return operator_id


def test_pay__disperser_unknown_or_unstaked__is_refused(
    site: DaSite, stranger: str, refused: Refused
) -> None:
    payer = a_wallet("payer")
    operator = site.operators[4]

    with refused("da_entrance: no such disperser"):
        pay(site, a_blob(payer, stranger))
    with refused("da_entrance: not authorised"):
        pay(site, a_blob(payer, operator.owner))
    site.stake.leave(DA, sender=operator.owner)
    with refused("da_entrance: disperser unstaked"):
        pay(site, a_blob(operator.owner, operator.owner))


def test_pay__staked_operator_that_never_joined__may_disperse(site: DaSite) -> None:
    operator = a_member(site.staking, 71)
    next_epoch()
    draw(site)

    identifier = pay(site, a_blob(operator.owner, operator.owner))

    assert endpoint_of(operator) != site.signers.endpoint(operator.operator_id)
    assert site.record(identifier).disperser_id == operator.operator_id


def test_pay__disperser_that_joined_after_the_cut_off__is_refused(
    site: DaSite, refused: Refused
) -> None:
    """It is a member at once, but nothing of its stake could be taken for this epoch's blobs."""
    operator = a_member(site.staking, 72)
    assert site.stake.is_member(operator.pool(DA))

    with refused("da_entrance: disperser unstaked"):
        pay(site, a_blob(operator.owner, operator.owner))


def test_fee_of__terms_change_and_blob_is_settled__stays_what_was_paid(site: DaSite) -> None:
    owner = site.operators[0].owner
    blob = a_blob(owner, owner)
    fields = blob_tuple(blob)
    assert site.entrance.fee_of(fields) == 0
    fee = site.entrance.quote(blob.length, blob.retention_days)
    identifier = pay(site, blob)
    dearer = replace(TERMS, price=3 * TERMS.price)
    site.entrance.set_terms(terms_tuple(dearer), sender=site.governance)
    later = replace(blob, salt=keccak(b"later"))
    pay(site, later)

    assert site.entrance.fee_of(fields) == fee
    assert site.entrance.fee_of(blob_tuple(later)) == 3 * fee
    boa.env.time_travel(seconds=WINDOWS.confirm + 1)
    site.entrance.refund(fields)
    assert site.record(identifier).fee == 0
    assert site.entrance.fee_of(fields) == fee


BLOBS = st.builds(
    lambda words, addresses, length, days: Blob(
        addresses[0], addresses[1], words[0], words[1], columns_for(length), length, days, words[2]
    ),
    words=st.tuples(*[st.binary(min_size=32, max_size=32)] * 3),
    addresses=st.tuples(*[st.binary(min_size=20, max_size=20)] * 2),
    length=st.integers(1, MAX_PAYLOAD_BYTES),
    days=st.integers(1, 21),
)


@given(blob=BLOBS)
def test_blob_id__any_blob__equals_the_model(undrawn_site: DaSite, blob: Blob) -> None:
    site = undrawn_site
    entrance = raw(site.entrance.address)
    expected = site.blob_id(blob)

    assert expected == site.entrance.blob_id(blob_tuple(blob))
    elsewhere = blob_id(blob, chain_id=site.chain_id + 1, entrance=entrance)
    assert expected not in {elsewhere, blob_id(blob, chain_id=site.chain_id, entrance=blob.payer)}
