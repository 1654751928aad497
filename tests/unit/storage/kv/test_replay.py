"""What each operation does, case by case. INV-KV-3, 5, 6, 7, 10."""

from dataclasses import replace

import pytest

from offchain.storage.kv.adapters.memory_store import MemoryStore
from offchain.storage.kv.cells import ABSENT, Cell, Kind, Space, counter_value, element_key
from offchain.storage.kv.entry import NO_BLOB, AccessChange, Batch, Entry
from offchain.storage.kv.op import Mode, Op, Subject
from offchain.storage.kv.outcome import Outcome
from offchain.storage.kv.overlay import Overlay
from offchain.storage.kv.replay import Replayed, replay
from offchain.storage.kv.roles import Right, Role, wish_bytes
from offchain.storage.kv.state import StreamState
from tests.support.kv import (
    DOMAIN,
    OWNER,
    STRANGER,
    STREAM,
    Log,
    Writer,
    account,
    batch,
    created,
    granted,
    hashed,
    revoked,
    session,
    transferred,
)

OTHER = hashed(b"another stream")


class Bench:
    """One stream, replayed entry by entry in memory."""

    def __init__(self) -> None:
        self.log = Log()
        self.overlay = Overlay(MemoryStore())
        self.state = StreamState(self.overlay, STREAM, 1)
        self.take(created())

    def take(self, body: AccessChange | Batch, payload: bytes | None = b"") -> Replayed:
        return self.replay(self.log.add(body), payload)

    def replay(self, entry: Entry, payload: bytes | None = b"") -> Replayed:
        if isinstance(entry.body, Batch) and entry.body.is_inline:
            payload = entry.body.operations
        states = {STREAM: self.state}
        return replay(entry, payload, states.get, DOMAIN)

    def send(self, *ops: Op | bytes) -> list[str]:
        return [one.outcome.value for one in self.take(batch(ops)).results]

    def value(self, key: bytes) -> bytes | None:
        cell = self.state.cell(Space.USER, key)
        return None if cell is None else cell.value

    @property
    def root(self) -> bytes:
        return self.state.meta.tree_root


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def writer() -> Writer:
    return Writer()


def test_put__twice_in_one_batch__the_later_wins(bench: Bench, writer: Writer) -> None:
    outcomes = bench.send(writer.put(b"k", b"first"), writer.put(b"k", b"second"))

    assert outcomes == ["APPLIED", "APPLIED"]
    assert bench.state.cell(Space.USER, b"k") == Cell(1 << 16 | 1, Kind.BYTES, b"second")


def test_inv_kv_6__cas__succeeds_iff_the_version_is_the_expected(
    bench: Bench, writer: Writer
) -> None:
    absent = writer.op(Mode.CAS, b"k", b"1", expected=ABSENT)
    again = writer.op(Mode.CAS, b"k", b"2", expected=ABSENT)
    right = writer.op(Mode.CAS, b"k", b"3", expected=1 << 16)
    wrong = writer.op(Mode.CAS, b"k", b"4", expected=1 << 16)

    assert bench.send(absent, again, right, wrong) == ["APPLIED", "STALE", "APPLIED", "STALE"]
    assert bench.value(b"k") == b"3"


def test_append__elements__stand_alone_under_rising_indices(bench: Bench, writer: Writer) -> None:
    bench.send(*(writer.op(Mode.APPEND, b"l", b"e%d" % number) for number in range(3)))
    dropped = bench.send(writer.op(Mode.DELETE, b"l", (1).to_bytes(8, "big")))

    elements = [bench.state.cell(Space.ELEMENT, element_key(b"l", index)) for index in range(3)]
    assert dropped == ["APPLIED"]
    assert [one and one.value for one in elements] == [b"e0", b"e1", None]
    assert bench.value(b"l") == (2).to_bytes(8, "big")
    assert bench.send(writer.op(Mode.DELETE, b"l")) == ["APPLIED"]
    assert bench.value(b"l") is None


def test_add__beyond_127_bits__is_refused(bench: Bench, writer: Writer) -> None:
    most = counter_value((1 << 127) - 1)
    ops = [writer.op(Mode.ADD, b"c", value) for value in (most, counter_value(1))]
    ops += [writer.op(Mode.ADD, b"c", counter_value(-2)), writer.put(b"p", b"bytes")]
    ops += [writer.op(Mode.ADD, b"p", counter_value(1))]

    assert bench.send(*ops) == ["APPLIED", "OVERFLOW", "APPLIED", "APPLIED", "WRONG_KIND"]
    assert bench.value(b"c") == counter_value((1 << 127) - 3)


def test_delete__with_expected_version__is_as_cas(bench: Bench, writer: Writer) -> None:
    outcomes = bench.send(
        writer.put(b"k", b"v"),
        writer.op(Mode.DELETE, b"k", expected=77),
        writer.op(Mode.DELETE, b"k", expected=1 << 16),
        writer.op(Mode.DELETE, b"k"),
    )

    assert outcomes == ["APPLIED", "STALE", "APPLIED", "APPLIED"]
    assert bench.value(b"k") is None


def test_file__value_is_root_and_length(bench: Bench, writer: Writer) -> None:
    reference = hashed(b"file") + (9).to_bytes(8, "big")

    assert bench.send(writer.put(b"f", reference, is_file=True)) == ["APPLIED"]
    assert bench.state.cell(Space.USER, b"f") == Cell(1 << 16, Kind.FILE, reference)


def test_inv_kv_7__group__applies_wholly_or_not_at_all(bench: Bench, writer: Writer) -> None:
    good = writer.group((Mode.PUT, b"a", b"1", 0), (Mode.CAS, b"b", b"2", ABSENT))
    bad = writer.group((Mode.PUT, b"a", b"3", 0), (Mode.CAS, b"b", b"4", ABSENT))
    alone = writer.put(b"c", b"5")

    outcomes = bench.send(*good, *bad, alone)

    assert outcomes == ["APPLIED", "APPLIED", "GROUP_FAILED", "STALE", "APPLIED"]
    assert [bench.value(key) for key in (b"a", b"b", b"c")] == [b"1", b"2", b"5"]


def test_inv_kv_7__group_that_a_batcher_tears__has_no_effect_and_keeps_its_nonces(
    bench: Bench, writer: Writer
) -> None:
    first, second = writer.group((Mode.PUT, b"a", b"1", 0), (Mode.PUT, b"b", b"2", 0))

    assert bench.send(first) == ["BROKEN_GROUP"]
    assert bench.send(second, first) == ["BROKEN_GROUP", "BROKEN_GROUP"]
    assert bench.send(first, b"garbage", second) == ["BROKEN_GROUP", "MALFORMED", "BROKEN_GROUP"]
    assert bench.value(b"a") is None
    assert bench.send(first, second) == ["APPLIED", "APPLIED"]


def test_inv_kv_7__one_forged_neighbour__burns_no_nonce(bench: Bench, writer: Writer) -> None:
    first, second = writer.group((Mode.PUT, b"a", b"1", 0), (Mode.PUT, b"b", b"2", 0))
    forged = replace(second, value=b"3")

    assert bench.send(first, forged) == ["GROUP_FAILED", "BAD_SIGNATURE"]
    assert bench.send(first, second) == ["APPLIED", "APPLIED"]


def test_inv_kv_5__one_nonce__acts_once(bench: Bench, writer: Writer) -> None:
    one, two = writer.put(b"k", b"1"), writer.put(b"k", b"2")

    assert bench.send(two, one, two) == ["APPLIED", "REPLAYED", "REPLAYED"]
    assert bench.send(one, two) == ["REPLAYED", "REPLAYED"]
    assert bench.value(b"k") == b"2"


def test_inv_kv_5__stale_operation__cannot_be_repeated_when_it_would_fit(
    bench: Bench, writer: Writer
) -> None:
    assert bench.send(writer.put(b"k", b"1")) == ["APPLIED"]
    stale = writer.op(Mode.CAS, b"k", b"late", expected=ABSENT)
    assert bench.send(stale) == ["STALE"]
    assert bench.send(writer.op(Mode.DELETE, b"k")) == ["APPLIED"]

    assert bench.send(stale) == ["REPLAYED"]
    assert bench.value(b"k") is None


def test_inv_kv_5__without_a_right__nothing_moves(bench: Bench) -> None:
    before = bench.root
    forged = replace(Writer(STRANGER).put(b"k", b"v"), signer=OWNER.signer)

    assert bench.send(Writer(STRANGER).put(b"k", b"v"), forged) == ["NO_RIGHT", "BAD_SIGNATURE"]
    assert bench.send(Writer(session("nobody")).put(b"k", b"v")) == ["NO_RIGHT"]
    assert bench.root == before


@pytest.mark.parametrize("key", [account("writer"), session("writer")], ids=["account", "p256"])
def test_inv_kv_5__key_writer__stays_in_its_prefix_quota_and_time(bench: Bench, key) -> None:
    bench.take(granted(key.subject, Role.KEY_WRITER, prefix=b"mine/", quota=20, expiry=60))
    writer = Writer(key)

    outcomes = bench.send(
        writer.put(b"mine/a", b"12345"),
        writer.put(b"yours/a", b"1"),
        writer.put(b"mine/b", b"1234"),
        writer.op(Mode.DELETE, b"mine/a"),
        writer.op(Mode.ASSERT, b"yours/a", expected=ABSENT),
        writer.op(Mode.ACCESS, STRANGER.subject.key, wish_bytes(Right(1, Role.WRITER))),
    )

    wanted = ["APPLIED", "NO_RIGHT", "OVER_QUOTA", "APPLIED", "APPLIED", "NO_RIGHT"]
    assert outcomes == wanted  # 11 bytes of 20, then 10 more
    bench.take(granted(key.subject, Role.KEY_WRITER, prefix=b"mine/", quota=20, expiry=60))
    assert bench.send(writer.put(b"mine/b", b"1234")) == ["APPLIED"]  # time 60: the last moment
    assert bench.send(writer.put(b"mine/c", b"")) == ["NO_RIGHT"]


def test_access__revoked__writes_no_more(bench: Bench) -> None:
    writer = Writer(account("writer"))
    bench.take(granted(writer.key.subject, Role.WRITER))
    assert bench.send(writer.put(b"k", b"v")) == ["APPLIED"]

    bench.take(revoked(writer.key.subject))

    assert bench.send(writer.put(b"k", b"w")) == ["NO_RIGHT"]
    assert bench.value(b"k") == b"v"


def test_access__by_operation__lets_a_session_key_in_and_out(bench: Bench, writer: Writer) -> None:
    phone = Writer(session("phone"))
    wish = wish_bytes(Right(1, Role.KEY_WRITER, b"chat/", 0, 0))

    assert bench.send(writer.op(Mode.ACCESS, phone.key.subject.key, wish)) == ["APPLIED"]
    assert bench.send(phone.put(b"chat/1", b"hi"), phone.put(b"k", b"x")) == ["APPLIED", "NO_RIGHT"]
    assert bench.send(writer.op(Mode.ACCESS, phone.key.subject.key)) == ["APPLIED"]
    assert bench.send(phone.put(b"chat/2", b"hi")) == ["NO_RIGHT"]


@pytest.mark.parametrize(
    "wish",
    [
        wish_bytes(Right(1, Role.ADMIN)),
        wish_bytes(Right(1, Role.OWNER)),
        wish_bytes(Right(1, Role.WRITER, b"prefix")),
        wish_bytes(Right(1, Role.KEY_WRITER)),
        wish_bytes(Right(1, Role.KEY_WRITER, bytes(65))),
        b"\x09" + bytes(17),
        b"short",
    ],
)
def test_access__by_operation__cannot_make_admins_or_nonsense(
    bench: Bench, writer: Writer, wish: bytes
) -> None:
    assert bench.send(writer.op(Mode.ACCESS, STRANGER.subject.key, wish)) == ["MALFORMED"]


def test_access__admin__lets_writers_in_but_cannot_touch_owner_or_admins(bench: Bench) -> None:
    admin = Writer(account("admin"))
    bench.take(granted(admin.key.subject, Role.ADMIN))
    wish = wish_bytes(Right(1, Role.WRITER))

    outcomes = bench.send(
        admin.op(Mode.ACCESS, STRANGER.subject.key, wish),
        admin.op(Mode.ACCESS, OWNER.subject.key),
        admin.op(Mode.ACCESS, admin.key.subject.key),
        Writer(STRANGER).op(Mode.ACCESS, Subject.account(bytes(20)).key, wish),
    )

    assert outcomes == ["APPLIED", "NO_RIGHT", "NO_RIGHT", "NO_RIGHT"]


def test_inv_kv_10__after_a_change_of_owner__no_older_key_writes(
    bench: Bench, writer: Writer
) -> None:
    phone, buyer = Writer(session("phone")), account("buyer")
    bench.take(granted(phone.key.subject, Role.WRITER))
    assert bench.send(phone.put(b"k", b"v")) == ["APPLIED"]

    bench.take(transferred(buyer, 2))

    late = Writer(phone.key, generation=2)
    late.nonce = 9
    seller = Writer(OWNER, generation=2)
    assert bench.send(phone.put(b"k", b"w"), late.put(b"k", b"w")) == ["OLD_GENERATION", "NO_RIGHT"]
    assert bench.send(writer.put(b"k", b"w"), seller.put(b"k", b"w")) == [
        "OLD_GENERATION",
        "NO_RIGHT",
    ]
    assert bench.send(Writer(buyer, generation=2).put(b"k", b"new")) == ["APPLIED"]


def test_expired__operation_after_its_last_moment__is_refused(bench: Bench, writer: Writer) -> None:
    in_time = writer.put(b"k", b"v", valid_until=24)
    late = writer.put(b"k", b"w", valid_until=24)

    assert bench.send(in_time) == ["APPLIED"]  # entry 1 is at 24
    assert bench.send(late) == ["EXPIRED"]


def test_inv_kv_3__untagged_or_unknown_streams__have_fixed_outcomes(
    bench: Bench, writer: Writer
) -> None:
    elsewhere = Writer(stream=OTHER)

    assert bench.send(elsewhere.put(b"k", b"v"), writer.put(b"k", b"v")) == ["UNTAGGED", "APPLIED"]
    result = bench.take(batch([elsewhere.put(b"k", b"v")], OTHER))
    assert [one.outcome for one in result.results] == [Outcome.NO_STREAM]


@pytest.mark.parametrize(
    ("payload", "fault"),
    [(None, Outcome.VOID), (b"", Outcome.MALFORMED), (b"KVB1" + bytes(4), Outcome.MALFORMED)],
)
def test_inv_kv_3__batch_without_operations__has_one_outcome_and_the_stream_goes_on(
    bench: Bench, writer: Writer, payload: bytes | None, fault: Outcome
) -> None:
    before = bench.root
    entry = bench.log.add(Batch((STREAM,), hashed(b"blob"), b""))

    result = bench.replay(entry, payload)

    assert (result.fault, result.results, bench.root) == (fault, (), before)
    assert bench.state.meta.next_seq == entry.seq + 1
    assert bench.send(writer.put(b"k", b"v")) == ["APPLIED"]


def test_garbage_between_good_operations__stops_nobody(bench: Bench, writer: Writer) -> None:
    ops = [b"", writer.put(b"a", b"1"), bytes(300), writer.put(b"b", b"2"), b"\x01"]

    assert bench.send(*ops) == ["MALFORMED", "APPLIED", "MALFORMED", "APPLIED", "MALFORMED"]
    assert Batch((STREAM,), NO_BLOB, b"").is_inline
