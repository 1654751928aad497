"""The ledger of fees as a pure model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offchain.da.fee_ledger import FeeLedger
from offchain.da.model import BlobState, FeeInvalid, Terms, Windows
from offchain.da.reverts import (
    AlreadyPaid,
    CertificateLate,
    NothingToWithdraw,
    NotPaid,
    NotVoidable,
    PaymentInvalid,
    PaymentsPaused,
    PoolTooSmall,
    RefundEarly,
)

PAYER, TREASURY = b"p" * 20, b"t" * 20
TERMS = Terms(price=7, confirm_slices=2_048, safety_slices=1_024, max_retention_days=21)
WINDOWS = Windows(confirm=900, day=86_400, answer=3_600, veto=172_800)


def a_ledger() -> FeeLedger:
    return FeeLedger(TERMS, WINDOWS, TREASURY)


def pay(ledger: FeeLedger, name: bytes, *, length: int = 1, extra: int = 0, now: int = 0) -> int:
    fee = max(length, 253_952) * TERMS.price
    ledger.pay(name, PAYER, length=length, days=1, value=fee + extra, now=now)
    return fee


def test_inv_da_13__deadline__separates_certificate_from_refund() -> None:
    ledger = a_ledger()
    pay(ledger, b"one")
    pay(ledger, b"two")

    with pytest.raises(RefundEarly):
        ledger.refund(b"one", now=900)
    ledger.confirm(b"one", now=900)
    with pytest.raises(CertificateLate):
        ledger.confirm(b"two", now=901)
    ledger.refund(b"two", now=901)

    for name in (b"one", b"two", b"never"):
        with pytest.raises(NotPaid):
            ledger.confirm(name, now=0)
        with pytest.raises(NotPaid):
            ledger.refund(name, now=10**9)
    assert ledger.entries[b"two"].state is BlobState.REFUNDED


def test_void__paid_or_confirmed__gives_back_only_what_is_held() -> None:
    ledger = a_ledger()
    fee = pay(ledger, b"held")
    pay(ledger, b"earned")
    ledger.confirm(b"earned", now=1)
    ledger.void(b"held")
    ledger.void(b"earned")

    assert (ledger.credits, ledger.held, ledger.earned) == ({PAYER: fee}, 0, fee)
    assert ledger.owed == ledger.balance
    for name in (b"held", b"earned", b"never"):
        with pytest.raises(NotVoidable):
            ledger.void(name)


def test_inv_da_21__reward__never_exceeds_the_pool() -> None:
    ledger = a_ledger()
    fee = pay(ledger, b"one")
    with pytest.raises(PoolTooSmall):
        ledger.reward(b"s" * 20, 1)
    ledger.confirm(b"one", now=1)
    ledger.reward(b"s" * 20, fee - fee // 10)

    assert ledger.reward_pool == 0
    assert ledger.owed == ledger.balance
    with pytest.raises(PoolTooSmall):
        ledger.reward(b"s" * 20, 1)


def test_inv_da_12__one_id__is_paid_once_and_in_full() -> None:
    ledger = a_ledger()
    fee = pay(ledger, b"one", extra=5)

    with pytest.raises(AlreadyPaid):
        pay(ledger, b"one")
    with pytest.raises(PaymentInvalid):
        pay(ledger, b"two", extra=-1)
    with pytest.raises(FeeInvalid):
        ledger.pay(b"two", PAYER, length=0, days=1, value=fee, now=0)
    ledger.is_paused = True
    with pytest.raises(PaymentsPaused):
        pay(ledger, b"two")
    assert (ledger.held, ledger.credits, ledger.balance) == (fee, {PAYER: 5}, fee + 5)


@given(lengths=st.lists(st.integers(1, 10**6), min_size=1, max_size=8), data=st.data())
def test_inv_da_12__any_ends__owed_equals_balance(lengths: list[int], data: st.DataObject) -> None:
    ledger = a_ledger()
    for number, length in enumerate(lengths):
        name = bytes([number])
        pay(ledger, name, length=length, extra=number)
        end = data.draw(st.sampled_from(["confirm", "refund", "hold"]))
        if end == "confirm":
            ledger.confirm(name, now=1)
        elif end == "refund":
            ledger.refund(name, now=901)
        if data.draw(st.booleans()):
            ledger.collect()

        assert ledger.owed == ledger.balance

    ledger.collect()
    for account in list(ledger.credits):
        ledger.withdraw(account)
    with pytest.raises(NothingToWithdraw):
        ledger.withdraw(PAYER)
    assert ledger.owed == ledger.balance == ledger.held + ledger.reward_pool
