"""The outbox file: what is written survives, bad files are named, states follow each other."""

from pathlib import Path

import pytest

from offchain.chain.clock import VirtualClock
from offchain.chain.errors import OutboxBusy, OutboxCorrupt, OutboxUnwritable
from offchain.chain.fees import Offer
from offchain.chain.model import Address, BlockHash, TransactionHash
from offchain.chain.outbox import Outbox
from offchain.chain.outbox_model import Attempt, Inclusion, Intent, State

ACCOUNT = Address(b"\x0a" * 20)
NEIGHBOUR = Address(b"\x0b" * 20)
INCLUSION = Inclusion(TransactionHash(b"\x01" * 32), 5, BlockHash(b"\x02" * 32))


def an_intent(key: str = "key", value_wei: int = 2**100) -> Intent:
    return Intent(key, key.encode().ljust(32), ACCOUNT, b"data", value_wei, 21_000, "Probe", "bump")


def an_attempt(fee: int = 2**70) -> Attempt:
    return Attempt(b"raw %d" % fee, Offer(fee, 1), 12.5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def reopened(outbox: Outbox, path: Path) -> Outbox:
    outbox.close()
    return Outbox.open(path, ACCOUNT)


def test_outbox__every_step__is_there_after_reopening(path: Path) -> None:
    outbox = Outbox.open(path, ACCOUNT)
    (entry_id,) = outbox.add([an_intent()])
    outbox = reopened(outbox, path)
    assert [one.intent for one in outbox.intents()] == [an_intent()]

    outbox.record_signed([(entry_id, 7, an_attempt())])
    outbox = reopened(outbox, path)
    (entry,) = outbox.sent()
    assert (entry.nonce, entry.state, entry.attempts) == (7, State.SENT, (an_attempt(),))

    outbox.add_attempts([(entry_id, an_attempt(2**71))])
    outbox = reopened(outbox, path)
    assert outbox.sent()[0].latest == an_attempt(2**71)

    outbox.record_mined([(entry_id, State.MINED, INCLUSION)])
    outbox = reopened(outbox, path)
    assert outbox.included_blocks() == [(5, INCLUSION.block_hash)]
    assert outbox.included_in(INCLUSION.block_hash)[0].inclusion == INCLUSION

    outbox.finish(5)
    outbox = reopened(outbox, path)
    final = outbox.find("key")
    assert final is not None
    assert (final.is_final, final.attempts, final.intent.data) == (True, (), b"")
    assert final.intent.digest == an_intent().digest
    outbox.close()


def test_outbox__unmined__keeps_nonce_and_bytes(path: Path) -> None:
    outbox = Outbox.open(path, ACCOUNT)
    (entry_id,) = outbox.add([an_intent()])
    outbox.record_signed([(entry_id, 7, an_attempt())])
    outbox.record_mined([(entry_id, State.MINED, INCLUSION)])

    outbox.record_unmined([entry_id])

    (entry,) = outbox.sent()
    assert (entry.nonce, entry.attempts, entry.inclusion) == (7, (an_attempt(),), None)
    outbox.close()


def test_outbox__two_accounts_in_one_file__see_only_their_own(path: Path) -> None:
    one, other = Outbox.open(path, ACCOUNT), Outbox.open(path, NEIGHBOUR)

    one.add([an_intent()])
    other.add([an_intent(), an_intent("second")])

    assert (len(one.intents()), len(other.intents())) == (1, 2)
    one.close()
    other.close()


def test_outbox__same_nonce_twice__refused_by_the_file(path: Path) -> None:
    outbox = Outbox.open(path, ACCOUNT)
    first, second = outbox.add([an_intent("a"), an_intent("b")])
    outbox.record_signed([(first, 7, an_attempt())])

    with pytest.raises(OutboxCorrupt):
        outbox.record_signed([(second, 7, an_attempt())])

    assert [one.id for one in outbox.intents()] == [second]
    outbox.close()


def test_outbox__failed_write__changes_nothing(path: Path) -> None:
    outbox = Outbox.open(path, ACCOUNT)
    outbox.add([an_intent("a")])

    with pytest.raises(OutboxCorrupt):
        outbox.add([an_intent("b"), an_intent("a")])

    assert [one.intent.key for one in outbox.intents()] == ["a"]
    outbox.close()


def test_open__in_use__waits_then_gives_up(path: Path) -> None:
    holder = Outbox.open(path, ACCOUNT)
    clock = VirtualClock()

    with pytest.raises(OutboxBusy):
        Outbox.open(path, ACCOUNT, lock_seconds=3, clock=clock)

    assert clock.now() >= 3
    holder.close()


def test_open__freed_while_waiting__opens(path: Path) -> None:
    holder = Outbox.open(path, ACCOUNT)
    clock = VirtualClock(on_sleep=holder.close)

    Outbox.open(path, ACCOUNT, lock_seconds=3, clock=clock).close()


def test_open__no_database__corrupt(path: Path) -> None:
    path.write_bytes(b"this is not a database, it is a longer text" * 100)

    with pytest.raises(OutboxCorrupt):
        Outbox.open(path, ACCOUNT)


def test_open__folder_is_a_file__unwritable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(OutboxUnwritable):
        Outbox.open(tmp_path / "file" / "outbox.db", ACCOUNT)


def test_find_many__more_than_one_statement_holds__all(path: Path) -> None:
    outbox = Outbox.open(path, ACCOUNT)
    keys = [f"key {number}" for number in range(2_000)]
    outbox.add([an_intent(key) for key in keys])

    assert set(keys) == set(outbox.find_many([*keys, "absent"]))
    outbox.close()
