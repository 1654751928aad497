"""The log under any order of actions: nothing in it moves, money is whole."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import boa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from offchain.core.errors import ApogeeError
from offchain.core.hashing import keccak
from offchain.storage.kv.entry import NO_BLOB, Batch
from offchain.storage.log_entries import (
    EntryKind,
    LoggedEntry,
    Submission,
    batch_id,
    encode_access,
    encode_batch,
)
from offchain.storage.reverts_log import LOG, BlobNotAvailable
from offchain.storage.stream_book import StreamBook
from tests.support.da import raw
from tests.support.staking import EPOCH, a_wallet
from tests.support.storage_log import (
    MAX_COST,
    KeyHolder,
    LogSite,
    a_key_holder,
    a_submission,
    an_available_blob,
    logged,
    submit,
)

T = TypeVar("T")
STORED: list[LogSite] = []
STREAMS = [keccak(b"stream", bytes([number])) for number in range(3)]
WAYS = st.sampled_from(["calls", "signs", "signs another", "does nothing"])


@pytest.fixture(scope="module", autouse=True)
def deployed(unused_site: LogSite) -> None:
    """One deployment for all runs, made before any run; each run undoes what it did."""
    STORED.append(unused_site)


class LifeOfTheLog(RuleBasedStateMachine):
    """Owners, payers, batchers, streams and time, all at once."""

    @initialize()
    def begin(self) -> None:
        self.site = site = STORED[-1]
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.book = site.book()
        self.streams = StreamBook(site.chain_id)
        self.owners: tuple[KeyHolder, ...] = (a_key_holder("owner"), a_key_holder("other owner"))
        self.payer = a_wallet("payer")
        self.blob = an_available_blob(site.da)
        self.expiry = int(site.da.record(self.blob).expiry)
        self.roots: list[bytes] = [bytes(site.log.root())]
        self.files: dict[bytes, Submission] = {}
        self.money = self._money()
        self.salt = 0

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            self.anchor.__exit__(None, None, None)

    # Actions

    @rule(
        who=st.integers(0, 1),
        nonce=st.integers(0, 2),
        way=WAYS,
        extra=st.integers(0, 3),
        change=st.sampled_from(
            [
                {},
                {"term_epochs": 20, "max_cost": 3 * MAX_COST},
                {"segments": 2},
                {"kind": 2},
                {"root": bytes(32)},
                {"valid_until": 1},
            ]
        ),
    )
    def submit(self, who: int, nonce: int, way: str, extra: int, change: dict[str, Any]) -> None:
        owner = self.owners[who]
        submission = a_submission(owner.address, nonce=nonce, **change)
        signature, sender = self._authority(owner, submission, way)

        answer = self.agree(
            lambda: self.book.submit(
                submission,
                now=boa.env.timestamp,
                is_authorised=way in ("calls", "signs"),
            ),
            lambda: submit(
                self.site,
                submission,
                value=submission.max_cost + extra,
                signature=signature,
                sender=sender,
            ),
        )
        if answer is not None and answer[1]:
            self.files[self.book.id_of(submission)] = submission
            self._compare(logged(self.site), submission.owner, submission.encoded())

    @rule(size=st.integers(1, 100), streams=st.integers(1, 3))
    def append_inline(self, size: int, streams: int) -> None:
        batch = Batch(tuple(STREAMS[:streams]), NO_BLOB, keccak(bytes([size])) * size)
        self._append(batch_id(batch), EntryKind.KV_BATCH, self.payer, encode_batch(batch))

        self.site.log.append_inline(list(batch.streams), batch.operations, sender=self.payer)

        self._compare(logged(self.site), raw(self.payer), encode_batch(batch))

    @rule(streams=st.integers(1, 3))
    def append_batch(self, streams: int) -> None:
        batch = Batch(tuple(STREAMS[:streams]), self.blob, b"")

        def predict() -> int:
            if boa.env.timestamp >= self.expiry:
                raise BlobNotAvailable
            return self._append(self.blob, EntryKind.KV_BATCH, self.payer, encode_batch(batch))

        seq = self.agree(
            predict,
            lambda: self.site.log.append_batch(
                list(batch.streams), batch.blob_id, sender=self.payer
            ),
        )
        if seq is not None:
            self._compare(logged(self.site), raw(self.payer), encode_batch(batch))

    @rule()
    def create_stream(self) -> None:
        self.salt += 1
        owner, salt = self.owners[0].address, self.salt.to_bytes(32, "big")
        change = self.streams.create(raw(owner), salt)
        self._append(change.stream, EntryKind.ACCESS, owner, encode_access(change))

        self.site.kv.create(salt, sender=owner)

        self._compare(logged(self.site, self.site.kv), raw(owner), encode_access(change))

    @rule(seconds=st.sampled_from([1, EPOCH // 2, EPOCH, 7 * EPOCH, 21 * 864]))
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)

    # What always holds

    @invariant()
    def invariant_sto_5_root_and_size_are_the_models(self) -> None:
        if not hasattr(self, "book"):
            return
        assert self.book.tree.size == self.site.log.size() == len(self.roots) - 1
        assert self.book.tree.root() == self.site.log.root() == self.roots[-1]

    @invariant()
    def invariant_sto_5_past_roots_stand_and_entries_prove(self) -> None:
        if not hasattr(self, "book") or not self.book.entries:
            return
        log, now = self.site.log, boa.env.timestamp
        last = self.book.epoch_at(now)
        for epoch in {0, max(0, last - 8), max(0, last - 2), last - 1}:
            assert self.book.size_at(epoch, now=now) == log.size_at(epoch)
            assert self.roots[log.size_at(epoch)] == log.root_at(epoch)
        size = len(self.book.entries)
        for seq in {0, size // 2, size - 1}:
            entry = self.book.entries[seq]
            words = (entry.seq, entry.id, entry.kind, entry.entry_hash)
            for at in {seq + 1, size}:
                assert log.verify_entry(self.roots[at], at, words, self.book.tree.path(seq, at))

    @invariant()
    def invariant_sto_1_each_id_is_charged_once(self) -> None:
        if not hasattr(self, "book"):
            return
        market = boa.env.get_balance(self.site.market.address)
        assert sum(one.max_cost for one in self.files.values()) == market
        assert self.money == self._money()
        assert boa.env.get_balance(self.site.log.address) == 0
        for file_id, seq in self.book.files.items():
            assert seq == self.site.log.seq_of(file_id)

    @invariant()
    def invariant_sto_6_owners_have_called_or_signed(self) -> None:
        for file_id, submission in getattr(self, "files", {}).items():
            assert "0x" + submission.owner.hex() in {one.address.lower() for one in self.owners}
            assert tuple(self.site.market.file(file_id).root) == tuple(submission.root)

    # Parts

    def _authority(self, owner: KeyHolder, submission: Submission, way: str) -> tuple[bytes, str]:
        """The signature that comes along, and who sends."""
        match way:
            case "calls":
                return b"", owner.address
            case "signs":
                return owner.sign(self.site.digest(submission)), self.payer
            case "signs another":
                other = replace(submission, term_epochs=submission.term_epochs + 1)
                return owner.sign(self.site.digest(other)), self.payer
        return b"", self.payer

    def _append(self, entry_id: bytes, kind: EntryKind, author: str, data: bytes) -> int:
        """In the model."""
        return self.book.append(entry_id, kind, raw(author), data, now=boa.env.timestamp)

    def _compare(self, entry: LoggedEntry, author: bytes, data: bytes) -> None:
        """The contract has made the model's newest entry."""
        expected = self.book.entries[-1]
        assert (entry.seq, entry.id, entry.kind) == (expected.seq, expected.id, expected.kind)
        assert (entry.author, entry.data, entry.time) == (author, data, boa.env.timestamp)
        assert entry.leaf == expected.leaf
        self.roots.append(bytes(self.site.log.root()))

    def _money(self) -> int:
        """What everybody has together."""
        accounts = [*(one.address for one in self.owners), self.payer, self.site.market.address]
        return sum(boa.env.get_balance(account) for account in accounts)

    def agree(self, predict: Callable[[], T], act: Callable[[], Any]) -> T | None:
        """Model and contract both do it, or both refuse for the same reason; None: refused."""
        try:
            answer = predict()
        except ApogeeError as fault:
            try:
                act()
            except boa.BoaError as error:
                reason = str(error.stack_trace.last_frame.pretty_vm_reason)
                assert LOG[reason] is type(fault), (reason, fault)
                return None
            raise AssertionError(f"the contract did what the model refuses: {fault!r}") from fault
        act()
        return answer


TestLifeOfTheLog = LifeOfTheLog.TestCase
TestLifeOfTheLog.settings = settings(max_examples=max(settings.default.max_examples // 3, 2))
