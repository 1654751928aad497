"""What holds a batch, what is paid back from it, and when the provider gets the rest."""

import boa
import pytest

from offchain.chain.keys import LocalSigner
from offchain.core.hashing import keccak
from tests.contracts.compute.conftest import Refused
from tests.support.compute_chain import (
    DELEGATE_GRACE,
    DISPUTE,
    NATIVE,
    WITHDRAW_LOCK,
    ComputeSite,
    a_payer,
    an_item,
    as_court,
    deploy_market,
    hex_of,
    settle,
)
from tests.support.staking import COIN, a_wallet

KEY, OTHER_KEY = keccak(b"a leaf"), keccak(b"another leaf")
TOTAL = 10_000
FEE = 100


@pytest.fixture
def batch(site: ComputeSite, payer: LocalSigner) -> int:
    """Two items of the payer: 6,000 and 4,000."""
    items = [an_item(site, payer, cap=6_000), an_item(site, payer, cap=TOTAL, nonce=2)]
    return settle(site, items)


def refund(
    site: ComputeSite, batch: int, key: bytes, amount: int, *, index: int = 0, limit: int = 6_000
) -> int:
    """Pay back as a court; what was paid."""
    account = hex_of(a_payer().address)
    paid = as_court(site, site.escrow, "refund", batch, index, limit, key, account, amount)
    return int.from_bytes(paid, "big")


def mature(site: ComputeSite, batch: int) -> None:
    boa.env.time_travel(seconds=DISPUTE)
    site.courts.set_done(batch, True)


def test_release__when_all_is_done__pays_provider_and_auditors_once(
    site: ComputeSite, batch: int, refused: Refused, stranger: str
) -> None:
    mature(site, batch)

    assert site.escrow.release(batch, sender=stranger) == TOTAL - FEE

    assert site.escrow.free_of(site.provider.owner, NATIVE) == TOTAL - FEE
    assert site.escrow.free_of(site.courts.address, NATIVE) == FEE
    found = site.escrow.batch(batch)
    assert (found.held, found.fee, found.total, int(found.state)) == (0, FEE, TOTAL, 2)
    assert site.escrow.held_of(site.provider.operator_id) == 0
    with refused("batch_book: not posted"):
        site.escrow.release(batch, sender=stranger)


def test_inv_cmp_4__release_before_its_time_or_with_a_case__is_refused(
    site: ComputeSite, batch: int, refused: Refused, stranger: str
) -> None:
    site.courts.set_done(batch, True)
    boa.env.time_travel(seconds=DISPUTE - 1)
    with refused("batch_book: too early"):
        site.escrow.release(batch, sender=stranger)
    as_court(site, site.escrow, "open_case", batch)
    as_court(site, site.escrow, "open_case", batch)
    boa.env.time_travel(seconds=1)
    with refused("batch_book: open case"):
        site.escrow.release(batch, sender=stranger)
    as_court(site, site.escrow, "close_case", batch)
    with refused("batch_book: open case"):
        site.escrow.release(batch, sender=stranger)
    assert site.escrow.open_cases_of(site.provider.operator_id) == 1
    as_court(site, site.escrow, "close_case", batch)

    assert site.escrow.release(batch, sender=stranger) == TOTAL - FEE


def test_inv_cmp_4__release_while_audits_run__is_refused(
    site: ComputeSite, batch: int, refused: Refused, stranger: str
) -> None:
    boa.env.time_travel(seconds=10 * DISPUTE)
    with refused("escrow: audits run"):
        site.escrow.release(batch, sender=stranger)
    with refused("batch_book: no such batch"):
        site.escrow.release(batch + 1, sender=stranger)


def test_cases__beyond_what_there_is__are_refused(
    site: ComputeSite, batch: int, refused: Refused
) -> None:
    with refused("batch_book: no open case"):
        as_court(site, site.escrow, "close_case", batch)
    with refused("batch_book: no such batch"):
        as_court(site, site.escrow, "open_case", batch + 1)
    mature(site, batch)
    site.escrow.release(batch, sender=a_wallet("anyone"))
    with refused("batch_book: not posted"):
        as_court(site, site.escrow, "open_case", batch)


def test_inv_cmp_6__one_leaf__pays_once(site: ComputeSite, batch: int) -> None:
    assert refund(site, batch, KEY, 500) == 500
    assert refund(site, batch, KEY, 500) == 0
    assert refund(site, batch, KEY, 500, index=1, limit=4_000) == 0

    assert site.escrow.is_refunded(KEY)
    assert site.escrow.refunded_of(batch, 0) == 500
    assert site.escrow.free_of(hex_of(a_payer().address), NATIVE) == 500
    assert site.escrow.batch(batch).held == TOTAL - 500


def test_refund__item__gives_back_no_more_than_it_moved(site: ComputeSite, batch: int) -> None:
    assert refund(site, batch, KEY, 5_500) == 5_500
    assert refund(site, batch, OTHER_KEY, 5_500) == 500
    assert refund(site, batch, keccak(b"third"), 1) == 0
    assert not site.escrow.is_refunded(keccak(b"third"))

    assert site.escrow.batch(batch).held == 4_000


def test_inv_cmp_7__refund__comes_before_provider_and_auditors(
    site: ComputeSite, batch: int
) -> None:
    assert refund(site, batch, KEY, 6_000) == 6_000
    assert refund(site, batch, OTHER_KEY, 3_950, index=1, limit=4_000) == 3_950
    mature(site, batch)

    assert site.escrow.release(batch, sender=a_wallet("anyone")) == 0
    assert site.escrow.batch(batch).fee == 50
    assert site.escrow.free_of(site.courts.address, NATIVE) == 50
    assert site.escrow.free_of(hex_of(a_payer().address), NATIVE) == 9_950


def test_refund__after_the_release__is_counted_and_pays_nothing(
    site: ComputeSite, batch: int
) -> None:
    mature(site, batch)
    site.escrow.release(batch, sender=a_wallet("anyone"))

    assert refund(site, batch, KEY, 500) == 0

    assert site.escrow.is_refunded(KEY)
    assert site.escrow.refunded_of(batch, 0) == 500
    assert boa.env.get_balance(site.escrow.address) == COIN


def test_refund__of_nothing__leaves_the_key_unused(site: ComputeSite, batch: int) -> None:
    assert refund(site, batch, KEY, 0) == 0
    assert refund(site, batch, KEY, 10) == 10


@pytest.mark.parametrize("function", ["open_case", "close_case", "refund"])
def test_courts_functions__called_by_another__are_refused(
    site: ComputeSite, batch: int, refused: Refused, stranger: str, function: str
) -> None:
    rest = (0, 6_000, KEY, stranger, 10) if function == "refund" else ()
    for sender in (stranger, site.provider.owner, site.governance):
        with refused("escrow: not a court"):
            getattr(site.escrow, function)(batch, *rest, sender=sender)


def test_refund__of_no_batch__is_refused(site: ComputeSite, batch: int, refused: Refused) -> None:
    with refused("batch_book: no such batch"):
        refund(site, batch + 1, KEY, 10)


def test_wire__again_by_another_or_to_no_contract__is_refused(
    site: ComputeSite, refused: Refused, stranger: str
) -> None:
    court = site.courts.address
    with refused("escrow: wired already"):
        site.escrow.wire(court, court, sender=site.governance)
    with refused("governed: not governance"):
        site.escrow.wire(court, court, sender=stranger)
    _, fresh = deploy_market(site.staking)
    for addresses in ((court, stranger), (stranger, court)):
        with boa.reverts("escrow: no contract"):
            fresh.wire(*addresses, sender=site.governance)
    assert fresh.audit_court() == NATIVE


def test_withdrawal__racing_a_settlement__ends_alike_in_either_order(
    site: ComputeSite, payer: LocalSigner
) -> None:
    account, owner = hex_of(payer.address), site.provider.owner
    site.escrow.request_exit(owner, NATIVE, COIN, sender=account)
    boa.env.time_travel(seconds=WITHDRAW_LOCK)
    item = an_item(site, payer, cap=1_000)

    with boa.env.anchor():
        site.escrow.finish_exit(account, owner, NATIVE, sender=account)
        assert settle(site, [item]) == 0
        assert site.escrow.free_of(account, NATIVE) == COIN
    assert settle(site, [item]) == 1
    site.escrow.finish_exit(account, owner, NATIVE, sender=account)

    assert site.escrow.free_of(account, NATIVE) == COIN - 1_000
    found = site.escrow.bucket(account, owner, NATIVE)
    assert (found.balance, found.spent) == (0, 1_000)


def test_windows__as_deployed__are_told(site: ComputeSite) -> None:
    told = site.escrow.windows()

    assert (told.dispute, told.withdraw_lock, told.delegate_grace) == (
        DISPUTE,
        WITHDRAW_LOCK,
        DELEGATE_GRACE,
    )
