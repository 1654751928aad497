"""Streams under any order of actions: contract and model agree whose they are."""

from collections.abc import Callable
from typing import Any

import boa
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from offchain.core.errors import ApogeeError
from offchain.core.hashing import keccak
from offchain.storage.kv.entry import AccessChange
from offchain.storage.kv.op import Subject
from offchain.storage.kv.proof import stream_id
from offchain.storage.kv.roles import Action, Role
from offchain.storage.reverts_log import STREAMS
from offchain.storage.stream_book import Grant, StreamBook
from tests.support.da import raw
from tests.support.kv_streams import account, grant_tuple, written
from tests.support.staking import a_wallet
from tests.support.storage_log import LogSite

STORED: list[LogSite] = []
KEY = Subject.public_key(bytes(range(64)))
PEOPLE = st.integers(0, 3)
ROLES = st.sampled_from([Role.ADMIN, Role.ADMIN, Role.WRITER, Role.KEY_WRITER, Role.OWNER])


@pytest.fixture(scope="module", autouse=True)
def deployed(unused_streams: LogSite) -> None:
    """One deployment for all runs, made before any run; each run undoes what it did."""
    STORED.append(unused_streams)


class LifeOfStreams(RuleBasedStateMachine):
    """Four accounts that create, sell, let in and throw out."""

    @initialize()
    def begin(self) -> None:
        self.site = STORED[-1]
        self.anchor = boa.env.anchor()
        self.anchor.__enter__()
        self.book = StreamBook(self.site.chain_id)
        self.people = [a_wallet(f"person {number}") for number in range(4)]
        self.ids: list[bytes] = [keccak(b"nobody's")]
        self.changes: list[AccessChange] = []
        self.before = int(self.site.log.size())

    def teardown(self) -> None:
        if hasattr(self, "anchor"):
            self.anchor.__exit__(None, None, None)

    # Actions

    @rule(who=PEOPLE, salt=st.integers(0, 1))
    def create(self, who: int, salt: int) -> None:
        person, word = self.people[who], salt.to_bytes(32, "big")
        self.agree(
            lambda: self.book.create(raw(person), word),
            lambda: self.site.kv.create(word, sender=person),
        )
        stream = stream_id(self.site.chain_id, raw(person), word)
        if stream not in self.ids:
            self.ids.append(stream)

    @rule(data=st.data(), who=PEOPLE, to=st.integers(-1, 3))
    def transfer(self, data: st.DataObject, who: int, to: int) -> None:
        stream, sender = self._stream(data), self._sender(data, who)
        receiver = "0x" + bytes(20).hex() if to < 0 else self.people[to]
        self.agree(
            lambda: self.book.transfer_owner(stream, raw(receiver), sender=raw(sender)),
            lambda: self.site.kv.transfer_owner(stream, receiver, sender=sender),
        )

    @rule(
        data=st.data(),
        who=PEOPLE,
        subject=st.integers(-1, 3),
        role=ROLES,
        prefix=st.sampled_from([b"", b"", b"p", bytes(64)]),
        lasts=st.sampled_from([0, 0, 0, 50, -1]),
    )
    def grant(
        self,
        data: st.DataObject,
        who: int,
        subject: int,
        role: Role,
        prefix: bytes,
        lasts: int,
    ) -> None:
        stream, sender = self._stream(data), self._sender(data, who)
        now = boa.env.timestamp
        expiry = now + lasts if lasts else 0
        if role is Role.KEY_WRITER and not data.draw(st.integers(0, 5)):
            prefix = b"k"
        right = Grant(role, self._subject(subject), prefix, 9, expiry)
        self.agree(
            lambda: self.book.grant(stream, right, sender=raw(sender), now=now),
            lambda: self.site.kv.grant(stream, grant_tuple(right), sender=sender),
        )

    @rule(data=st.data(), who=PEOPLE, subject=st.integers(-1, 3))
    def revoke(self, data: st.DataObject, who: int, subject: int) -> None:
        stream, sender = self._stream(data), self._sender(data, who)
        taken, now = self._subject(subject), boa.env.timestamp
        self.agree(
            lambda: self.book.revoke(stream, taken, sender=raw(sender), now=now),
            lambda: self.site.kv.revoke(stream, int(taken.scheme), taken.digest, sender=sender),
        )

    @precondition(lambda self: self.changes)
    @rule(seconds=st.sampled_from([1, 50, 51]))
    def wait(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)

    # What always holds

    @invariant()
    def invariant_kv_5_owners_and_admins_are_the_models(self) -> None:
        if not hasattr(self, "book"):
            return
        kv, now = self.site.kv, boa.env.timestamp
        for stream in self.ids:
            state = self.book.streams.get(stream)
            owner, generation, *_ = kv.stream(stream)
            expected = (state.owner, state.generation) if state else (bytes(20), 0)
            assert expected == (raw(owner), generation)
            for person in self.people:
                expected_admin = self.book.is_admin(stream, raw(person), now=now)
                assert expected_admin == kv.is_admin(stream, person)

    @invariant()
    def invariant_kv_5_each_change_is_one_entry(self) -> None:
        if hasattr(self, "book"):
            assert self.before + len(self.changes) == self.site.log.size()

    @invariant()
    def invariant_kv_10_generations_rise_with_owners_alone(self) -> None:
        for stream in getattr(self, "ids", []):
            generation = 0
            for change in (one for one in self.changes if one.stream == stream):
                is_new = change.action in (Action.CREATE, Action.TRANSFER)
                assert change.generation == generation + is_new
                generation = change.generation

    # Parts

    def _stream(self, data: st.DataObject) -> bytes:
        return data.draw(st.sampled_from(self.ids[::-1]))

    def _sender(self, data: st.DataObject, who: int) -> str:
        """Often somebody who owns something, or much would be refused."""
        owners = ["0x" + state.owner.hex() for state in self.book.streams.values()]
        return data.draw(st.sampled_from([*owners, *owners, self.people[who]]))

    def _subject(self, number: int) -> Subject:
        return KEY if number < 0 else account(self.people[number])

    def agree(self, predict: Callable[[], AccessChange], act: Callable[[], Any]) -> None:
        """Model and contract both do it, or both refuse for the same reason."""
        try:
            expected = predict()
        except ApogeeError as fault:
            try:
                act()
            except boa.BoaError as error:
                reason = str(error.stack_trace.last_frame.pretty_vm_reason)
                assert STREAMS[reason] is type(fault), (reason, fault)
                return
            raise AssertionError(f"the contract did what the model refuses: {fault!r}") from fault
        act()
        assert expected == written(self.site)
        self.changes.append(expected)


TestLifeOfStreams = LifeOfStreams.TestCase
TestLifeOfStreams.settings = settings(max_examples=max(settings.default.max_examples // 2, 2))
