"""A service under any order of calls: contract and model agree on state, prices, signers, level."""

from collections.abc import Callable
from typing import Any

import boa
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from offchain.compute.model import Level, ServiceState
from offchain.compute.registry_book import RowWindows, ServiceBook
from offchain.compute.reverts_compute import REGISTRY
from offchain.core.errors import ApogeeError
from tests.support.compute_chain import (
    NATIVE,
    PRICE_DELAY,
    PRICE_GRACE,
    ComputeSite,
    a_payer,
    an_item,
    as_court,
    fill_bucket,
    hex_of,
    keeper,
    raw,
    settle,
    terms_of,
    twin_deployer,
)

STORED: list[ComputeSite] = []
CALLS = st.sampled_from(["activate", "activate", "pause", "resume", "resume", "retire"])
RARELY = st.integers(0, 5)
EMPTY = (bytes(32), 0, False, 0, bytes(32))


@pytest.fixture(scope="module", autouse=True)
def deployed(unused_market: ComputeSite) -> None:
    """One deployment for all runs, made before any run; each run undoes what it did."""
    STORED.append(unused_market)


class LifeOfAService(RuleBasedStateMachine):
    """One draft, its provider, and courts that suspend and judge."""

    @initialize()
    def begin(self) -> None:
        self.site = STORED[-1]
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.owner = self.site.provider.owner
        payer = a_payer()
        fill_bucket(self.site, payer.address)
        self.batch = settle(self.site, [an_item(self.site, payer)])
        self.signers = [keeper(f"signer {number}").address for number in range(3)]
        self.book = ServiceBook(RowWindows(PRICE_DELAY, PRICE_GRACE))
        self.start = boa.env.timestamp
        self.service = bytes(
            self.site.registry.register(
                terms_of(salt=b"\x07" * 32),
                hex_of(self.signers[0]),
                "http://127.0.0.1:9000",
                sender=self.owner,
            )
        )
        self.book.set_signer(self.signers[0], now=self.start)
        self.standing = (0, 0, 0)
        self.attestations = twin_deployer("attestations_twin").deploy()
        self.site.registry.wire_attestations(self.attestations.address, sender=self.site.governance)

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            self.anchor.__exit__(None, None, None)

    @rule(name=CALLS, rarely=RARELY)
    def step(self, name: str, rarely: int) -> None:
        if name == "retire" and rarely:
            return
        self.agree(
            getattr(self.book, name),
            lambda: getattr(self.site.registry, name)(self.service, sender=self.owner),
        )

    @rule(price=st.integers(0, 2**96 - 1))
    def announce(self, price: int) -> None:
        self.agree(
            lambda: self.book.announce(price, now=boa.env.timestamp),
            lambda: self.site.registry.announce_price(
                self.service, NATIVE, price, price, price, sender=self.owner
            ),
        )

    @rule(which=st.integers(0, 2))
    def set_signer(self, which: int) -> None:
        signer = self.signers[which]
        self.agree(
            lambda: self.book.set_signer(signer, now=boa.env.timestamp),
            lambda: self.site.registry.set_signer(self.service, hex_of(signer), sender=self.owner),
        )

    @rule()
    def suspend(self) -> None:
        self.book.suspend()
        as_court(self.site, self.site.registry, "suspend", self.service)

    @rule(opens=st.booleans())
    def move_case(self, opens: bool) -> None:
        if not opens and not self.book.open_cases:
            return
        self.book.open_cases += 1 if opens else -1
        name = "open_case" if opens else "close_case"
        as_court(self.site, self.site.escrow, name, self.batch)

    @rule(cleared=st.sampled_from([29, 30, 90]), cases=st.integers(0, 1), fails=st.booleans())
    def judge(self, cleared: int, cases: int, fails: bool) -> None:
        failed_until = boa.env.timestamp + 50 if fails else 0
        self.standing = (cleared, cases, failed_until)
        self.site.courts.set_standing(self.service, (*self.standing, boa.env.timestamp + 500))

    @rule(which=st.integers(0, 2), found=st.integers(0, 4), is_ours=st.booleans())
    def attest(self, which: int, found: int, is_ours: bool) -> None:
        """A verdict on one of its keys, for it or for another service; class 0: it ends."""
        signer, until = self.signers[which], boa.env.timestamp + 10**6
        service = self.service if is_ours else b"\x01" * 32
        live = (b"\x05" * 32, found, True, until, service) if found else EMPTY
        self.attestations.set_live(hex_of(signer), live)
        self.book.measured[signer] = found if is_ours else 0

    @rule(seconds=st.sampled_from([1, PRICE_DELAY - 1, PRICE_DELAY, PRICE_GRACE]))
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)

    @invariant()
    def invariant_cmp_9_rows_apply_in_their_time(self) -> None:
        now, registry = boa.env.timestamp, self.site.registry
        for version in range(len(self.book.rows) + 2):
            told = registry.payable_token(self.service, version)[0]
            assert told == self.book.is_payable(version, now=now)
        for row in self.book.rows:
            told = registry.price_row(self.service, row.version)
            assert (told.input_price, told.valid_from, told.retired_at) == (
                row.input_price,
                row.valid_from,
                self.book.retired_at(row.version),
            )

    @invariant()
    def invariant_cmp_11_level_follows_from_evidence(self) -> None:
        cleared, open_cases, failed_until = self.standing
        wanted = self.book.level(
            cleared=cleared,
            open_cases=open_cases,
            failed_until=failed_until,
            now=boa.env.timestamp,
        )
        told = self.site.registry.verifiability_of(self.service)
        assert told.level == wanted
        assert told.simulated == (wanted >= Level.BROKER_IN_TEE)  # every verdict here is

    @invariant()
    def invariant_service_is_what_the_model_says(self) -> None:
        told, now = self.site.registry.service(self.service), boa.env.timestamp
        assert ServiceState(int(told.state)) is self.book.state
        assert told.price_version == self.book.current_version(now=now)
        for time in (self.start - 1, self.start, now - 1, now):
            signer = raw(self.site.registry.signer_at(self.service, time))
            assert signer == self.book.signer_at(time)

    def agree(self, predict: Callable[[], Any], act: Callable[[], Any]) -> None:
        """Model and contract both do it, or both refuse for the same kind of reason."""
        try:
            predict()
        except ApogeeError as fault:
            try:
                act()
            except boa.BoaError as error:
                reason = str(error.stack_trace.last_frame.pretty_vm_reason)
                assert REGISTRY[reason] is type(fault), (reason, fault)
                return
            raise AssertionError(f"the contract did what the model refuses: {fault!r}") from fault
        act()


TestLifeOfAService = LifeOfAService.TestCase
