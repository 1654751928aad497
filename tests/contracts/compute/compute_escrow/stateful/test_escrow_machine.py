"""Money under any order of calls: contract and model agree on every sum and every refusal."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import boa
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from offchain.chain.keys import LocalSigner
from offchain.compute.escrow_book import BookWindows, EscrowBook, Presented
from offchain.compute.reverts_compute import ESCROW
from offchain.core.errors import ApogeeError
from offchain.core.hashing import keccak
from tests.support.compute_chain import (
    ANY_PROVIDER,
    ANY_SERVICE,
    DELEGATE_GRACE,
    DISPUTE,
    NATIVE,
    OWN_STAKE,
    TOKEN_RATE,
    WITHDRAW_LOCK,
    ComputeSite,
    a_payer,
    a_service,
    an_item,
    as_court,
    hex_of,
    keeper,
    raw,
    settle,
    skipped,
)
from tests.support.staking import a_wallet

STORED: list[ComputeSite] = []
COINS, TOKENS = 0, 1
MONEY = st.sampled_from([COINS, COINS, TOKENS])
WHO = st.integers(0, 1)
AMOUNT = st.sampled_from([1, 7, 100, 1_000, 30_000])


@pytest.fixture(scope="module", autouse=True)
def deployed(unused_market: ComputeSite) -> None:
    """One deployment for all runs, made before any run; each run undoes what it did."""
    STORED.append(unused_market)


class LifeOfMoney(RuleBasedStateMachine):
    """Two payers, their keys, one provider with a service in coins and one in tokens."""

    @initialize()
    def begin(self) -> None:
        site = self.site = STORED[-1]
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        second = a_service(
            site.registry, site.provider, token=site.token.address, salt=b"\x02" * 32
        )
        self.sites = (site, replace(site, service=second))
        self.tokens = (NATIVE, site.token.address)
        self.payers: list[LocalSigner] = [a_payer("payer"), a_payer("other payer")]
        self.keys: list[LocalSigner] = [keeper("delegate"), keeper("other delegate")]
        self.book = EscrowBook(
            raw(site.provider.owner),
            raw(site.courts.address),
            BookWindows(DISPUTE, WITHDRAW_LOCK, DELEGATE_GRACE),
            OWN_STAKE,
        )
        self.book.rates[raw(site.token.address)] = TOKEN_RATE
        self.purse = a_wallet("purse")
        site.token.mint(self.purse, 10**12)
        self.forced = 0
        self.spent: dict[tuple[int, int], int] = {}
        for who in range(2):
            for money in (COINS, TOKENS):
                self.deposit(who, money, 30_000, into_bucket=True)

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            self.anchor.__exit__(None, None, None)

    # Money of one's own

    @rule(who=WHO, money=MONEY, amount=AMOUNT, into_bucket=st.booleans())
    def deposit(self, who: int, money: int, amount: int, into_bucket: bool) -> None:
        payer, token = self.payers[who].address, self.tokens[money]
        where = self.site.provider.owner if into_bucket else NATIVE
        self.agree(
            lambda: self.book.deposit(payer, raw(token), amount, into_bucket=into_bucket),
            lambda: self.site.escrow.deposit(
                hex_of(payer),
                where,
                token,
                amount,
                value=amount if money == COINS else 0,
                sender=self.purse,
            ),
        )

    @rule(who=WHO, key=st.integers(-1, 1), money=MONEY, amount=AMOUNT)
    def fund(self, who: int, key: int, money: int, amount: int) -> None:
        payer, token = self.payers[who].address, self.tokens[money]
        sender = payer if key < 0 else self.keys[key].address
        self.agree(
            lambda: self.book.fund(payer, raw(token), amount, sender=sender, now=boa.env.timestamp),
            lambda: self.site.escrow.fund(
                hex_of(payer), self.site.provider.owner, token, amount, sender=hex_of(sender)
            ),
        )

    @rule(who=WHO, money=MONEY, amount=AMOUNT)
    def give(self, who: int, money: int, amount: int) -> None:
        giver, to = self.payers[who].address, self.payers[1 - who].address
        token = self.tokens[money]
        self.agree(
            lambda: self.book.give(giver, raw(token), to, amount),
            lambda: self.site.escrow.give(token, hex_of(to), amount, sender=hex_of(giver)),
        )

    @rule(who=st.integers(0, 2), money=MONEY, amount=AMOUNT)
    def withdraw(self, who: int, money: int, amount: int) -> None:
        account = raw(self.site.provider.owner) if who == 2 else self.payers[who].address
        token = self.tokens[money]
        self.agree(
            lambda: self.book.withdraw(account, raw(token), amount),
            lambda: self.site.escrow.withdraw(
                token, amount, hex_of(account), sender=hex_of(account)
            ),
        )

    @rule(who=WHO, money=MONEY, amount=st.sampled_from([0, 7, 1_000, 30_000]))
    def request_exit(self, who: int, money: int, amount: int) -> None:
        payer, token = self.payers[who].address, self.tokens[money]
        self.agree(
            lambda: self.book.request_exit(payer, raw(token), amount, now=boa.env.timestamp),
            lambda: self.site.escrow.request_exit(
                self.site.provider.owner, token, amount, sender=hex_of(payer)
            ),
        )

    @rule(who=WHO, money=MONEY)
    def finish_exit(self, who: int, money: int) -> None:
        payer, token = self.payers[who].address, self.tokens[money]
        self.agree(
            lambda: self.book.finish_exit(payer, raw(token), now=boa.env.timestamp),
            lambda: self.site.escrow.finish_exit(
                hex_of(payer), self.site.provider.owner, token, sender=self.purse
            ),
        )

    # Delegates

    @rule(who=WHO, key=WHO, money=MONEY, cap=AMOUNT, lasts=st.sampled_from([0, 40, 10_000]))
    def set_delegate(self, who: int, key: int, money: int, cap: int, lasts: int) -> None:
        payer, signer = self.payers[who].address, self.keys[key].address
        token, expiry = self.tokens[money], boa.env.timestamp + lasts
        self.agree(
            lambda: self.book.set_delegate(
                payer, signer, token=raw(token), cap=cap, expiry=expiry, now=boa.env.timestamp
            ),
            lambda: self.site.escrow.set_delegate(
                hex_of(signer),
                (token, cap, expiry, ANY_PROVIDER, ANY_SERVICE),
                sender=hex_of(payer),
            ),
        )

    @rule(who=WHO, key=WHO)
    def revoke_delegate(self, who: int, key: int) -> None:
        payer, signer = self.payers[who].address, self.keys[key].address
        self.agree(
            lambda: self.book.revoke_delegate(payer, signer, now=boa.env.timestamp),
            lambda: self.site.escrow.revoke_delegate(hex_of(signer), sender=hex_of(payer)),
        )

    # Batches

    @rule(data=st.data(), money=MONEY, count=st.integers(1, 3))
    def settle(self, data: st.DataObject, money: int, count: int) -> None:
        site, token = self.sites[money], self.tokens[money]
        items, presented = [], []
        for _ in range(count):
            item, model = self._an_item(data, money)
            items.append(item)
            presented.append(model)

        batch, reasons = self.book.settle(raw(token), presented, now=boa.env.timestamp)

        assert batch == settle(site, items, token=token)
        assert reasons == skipped(site)

    @precondition(lambda self: self.book.batches)
    @rule(data=st.data(), opens=st.booleans())
    def move_case(self, data: st.DataObject, opens: bool) -> None:
        batch = self._batch(data)
        name = "open_case" if opens else "close_case"
        self.agree(
            lambda: getattr(self.book, name)(batch),
            lambda: as_court(self.site, self.site.escrow, name, batch),
        )

    @precondition(lambda self: self.book.batches)
    @rule(data=st.data(), index=WHO, key=st.integers(0, 5), limit=AMOUNT, amount=AMOUNT, who=WHO)
    def refund(
        self, data: st.DataObject, index: int, key: int, limit: int, amount: int, who: int
    ) -> None:
        batch, name, payer = self._batch(data), keccak(bytes([key])), self.payers[who].address

        expected = self.book.refund(
            batch, index, item_amount=limit, key=name, payer=payer, amount=amount
        )

        paid = as_court(
            self.site, self.site.escrow, "refund", batch, index, limit, name, hex_of(payer), amount
        )
        assert expected == int.from_bytes(paid, "big")

    @precondition(lambda self: self.book.batches)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        batch = self._batch(data)
        self.site.courts.set_done(batch, True)
        self.agree(
            lambda: self.book.release(batch, now=boa.env.timestamp),
            lambda: self.site.escrow.release(batch, sender=self.purse),
        )

    # The world

    @rule(seconds=st.sampled_from([1, DELEGATE_GRACE, WITHDRAW_LOCK, DISPUTE]))
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)

    @rule(amount=AMOUNT)
    def force_coins(self, amount: int) -> None:
        """Coins may arrive without a call."""
        escrow = self.site.escrow.address
        boa.env.set_balance(escrow, boa.env.get_balance(escrow) + amount)
        self.forced += amount

    # What always holds

    @invariant()
    def invariant_cmp_1_every_unit_is_somebodys(self) -> None:
        """test_inv_cmp_1: free + buckets + held = what the escrow has."""
        escrow = self.site.escrow.address
        assert boa.env.get_balance(escrow) == self.book.total(bytes(20)) + self.forced
        assert self.site.token.balanceOf(escrow) == self.book.total(raw(self.tokens[TOKENS]))
        for account in (*(one.address for one in self.payers), self.book.provider, self.book.court):
            for token in self.tokens:
                told = self.site.escrow.free_of(hex_of(account), token)
                assert told == self.book.free.get((account, raw(token)), 0)

    @invariant()
    def invariant_cmp_2_buckets_and_keys_agree(self) -> None:
        for who, payer in enumerate(self.payers):
            for money, token in enumerate(self.tokens):
                told = self.site.escrow.bucket(
                    hex_of(payer.address), self.site.provider.owner, token
                )
                purse = self.book.purse(payer.address, raw(token))
                assert (told.balance, told.spent, told.last_nonce) == (
                    purse.balance,
                    purse.spent,
                    purse.last_nonce,
                )
                assert (told.exit_amount, told.exit_at) == (purse.exit_amount, purse.exit_at)
                assert self.spent.get((who, money), 0) <= told.spent
                self.spent[who, money] = told.spent
        for (payer, key), known in self.book.keys.items():
            told = self.site.escrow.delegation(hex_of(payer), hex_of(key))
            assert (told.cap, told.spent, told.expiry) == (known.cap, known.spent, known.expiry)
            assert known.spent <= known.cap

    @invariant()
    def invariant_cmp_5_stake_covers_twice_what_is_held(self) -> None:
        held = self.site.escrow.held_of(self.site.provider.operator_id)
        assert held == self.book.value_held()
        assert 2 * held <= OWN_STAKE
        for number, known in enumerate(self.book.batches, start=1):
            told = self.site.escrow.batch(number)
            assert (told.held, told.total, told.fee) == (known.held, known.total, known.fee)
            assert told.open_cases == known.open_cases

    # How

    def _an_item(self, data: st.DataObject, money: int) -> tuple[Any, Presented]:
        """An item that holds, unless it breaks one rule."""
        payer, token = self.payers[data.draw(WHO)], raw(self.tokens[money])
        purse = self.book.purse(payer.address, token)
        signer = data.draw(st.sampled_from([payer, payer, *self.keys]))
        claim = purse.spent + data.draw(st.sampled_from([1, 7, 100, 1_000]))
        first = purse.last_nonce + data.draw(st.integers(1, 2))
        last = first + data.draw(st.integers(0, 2))
        fields = {
            "cumulative": claim - data.draw(st.sampled_from([0, 1])),
            "cap": claim + data.draw(st.sampled_from([0, 5])),
            "nonce": last + data.draw(st.integers(0, 1)),
            "expiry": boa.env.timestamp + data.draw(st.sampled_from([0, 9])),
            "claim": claim,
            "first_nonce": first,
            "last_nonce": last,
            "leaf_count": data.draw(st.integers(1, last - first + 1)),
        }
        broken = data.draw(st.sampled_from([*[{}] * 8, *_faults(fields, purse.spent)]))
        if "signer" in broken:
            signer = keeper("nobody")
        fields |= {name: to for name, to in broken.items() if name != "signer"}
        item = an_item(self.sites[money], payer, key=signer, token=token, **fields)
        return item, Presented(payer=payer.address, signer=signer.address, **fields)

    def _batch(self, data: st.DataObject) -> int:
        return data.draw(st.integers(1, len(self.book.batches)))

    def agree(self, predict: Callable[[], Any], act: Callable[[], Any]) -> None:
        """Model and contract both do it, or both refuse for the same kind of reason."""
        try:
            predict()
        except ApogeeError as fault:
            try:
                act()
            except boa.BoaError as error:
                reason = str(error.stack_trace.last_frame.pretty_vm_reason)
                assert ESCROW[reason] is type(fault), (reason, fault)
                return
            raise AssertionError(f"the contract did what the model refuses: {fault!r}") from fault
        act()


def _faults(fields: dict[str, int], spent: int) -> list[dict[str, int]]:
    """Each breaks one rule."""
    return [
        {"signer": 0},
        {"claim": spent},
        {"cap": fields["claim"] - 1},
        {"cumulative": fields["cap"] + 1},
        {"expiry": boa.env.timestamp - 1},
        {"first_nonce": fields["last_nonce"] + 1},
        {"first_nonce": 0},
        {"nonce": fields["last_nonce"] - 1},
        {"leaf_count": 0},
        {"leaf_count": 4},
        {"claim": spent + 10**9, "cap": spent + 10**9},
    ]


TestLifeOfMoney = LifeOfMoney.TestCase
