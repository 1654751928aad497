"""The embedded chain in memory: pool, blocks, time, history, with a clock of our own."""

import sqlite3
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from eth_account import Account
from hypothesis import example, given
from hypothesis import strategies as st

from offchain.chain.devnet.chain import DevChain
from offchain.chain.devnet.evm import CallRequest
from offchain.chain.devnet.faults import BadParameters, ExecutionReverted, Refused, revert_reason
from offchain.chain.devnet.genesis import dev_accounts
from offchain.chain.devnet.ledger import DamagedLedger, Ledger

GWEI = 10**9
START = 1_800_000_000
OPERATOR, STRANGER = dev_accounts()[:2]
# PUSH1 0 PUSH1 0 REVERT: reverts with no data.
REVERTING = bytes.fromhex("60006000fd")
# Returns the runtime above.
REVERTING_INIT = bytes.fromhex("6460006000fd600052600560" + "1bf3")


@dataclass
class Clock:
    now: float = START

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def chain(clock: Clock) -> DevChain:
    return DevChain(Ledger(None), chain_id=31_337, clock=clock)


def transfer(nonce: int, *, value: int = 1, account=OPERATOR, **fields: object) -> bytes:
    unsigned = {
        "chainId": 31_337,
        "nonce": nonce,
        "to": "0x" + "11" * 20,
        "value": value,
        "gas": 21_000,
        "maxFeePerGas": 20 * GWEI,
        "maxPriorityFeePerGas": GWEI,
        **fields,
    }
    return bytes(Account.sign_transaction(unsigned, account.private_key).raw_transaction)


def test_send__due_nonce__in_a_block_of_its_own_before_the_hash_is_returned(
    chain: DevChain,
) -> None:
    sent = chain.send(transfer(0))

    assert chain.head.number == 1
    assert chain.head.transaction_hashes == (sent,)
    mined = chain.ledger.transaction(sent)
    assert mined is not None
    assert mined.receipt.gas_used == 21_000


@given(order=st.permutations(range(6)))
def test_send__nonces_in_any_order__all_mined_in_nonce_order(order: list[int]) -> None:
    chain = DevChain(Ledger(None), chain_id=31_337, clock=Clock())

    hashes = {nonce: chain.send(transfer(nonce)) for nonce in order}

    blocks = [chain.ledger.block(number) for number in range(1, 7)]
    assert [block and block.transaction_hashes for block in blocks] == [
        (hashes[nonce],) for nonce in range(6)
    ]
    assert len(chain.pool) == 0


def test_mine__two_senders__arrival_order_but_each_by_nonce(chain: DevChain) -> None:
    chain.set_automatic(enabled=False)
    late, other, early = (
        chain.send(transfer(1)),
        chain.send(transfer(0, account=STRANGER)),
        chain.send(transfer(0)),
    )

    chain.mine()

    assert chain.head.transaction_hashes == (early, other, late)


def test_mine__base_fee_above_what_is_offered__waits(chain: DevChain) -> None:
    chain.set_automatic(enabled=False)
    header = chain.pending_view().header
    sent = chain.send(transfer(0, maxFeePerGas=header.base_fee_per_gas, maxPriorityFeePerGas=0))

    chain.mine()

    assert chain.head.transaction_hashes == (sent,)


def test_money__over_many_transfers__nothing_appears_and_only_the_base_fee_is_burnt(
    chain: DevChain,
) -> None:
    for nonce in range(5):
        chain.send(transfer(nonce, value=nonce * 10**18))

    state = chain.state(chain.head_view())
    holders = [account.address for account in dev_accounts()]
    holders += [bytes.fromhex("11" * 20), bytes(chain.head.header.coinbase)]
    held = sum(state.get_balance(one) for one in holders)
    burnt = 0
    for number in range(1, 6):
        block = chain.ledger.block(number)
        assert block is not None
        burnt += block.header.base_fee_per_gas * block.header.gas_used
    assert held + burnt == 10 * 10_000_000 * 10**18


def test_refusal__nonce_too_low__nothing_moves(chain: DevChain) -> None:
    chain.send(transfer(0))
    head = chain.head.hash

    with pytest.raises(Refused, match="nonce too low: next nonce 1, tx nonce 0"):
        chain.send(transfer(0, value=2))

    assert chain.head.hash == head


def test_refusal__type_3__named(chain: DevChain) -> None:
    with pytest.raises(Refused, match="transaction type not supported"):
        chain.send(b"\x03" + transfer(0)[1:])


@given(raw=st.binary(max_size=120), kind=st.sampled_from([b"", b"\x01", b"\x02", b"\x04", b"\xf8"]))
def test_send__any_bytes__refused_never_worse(raw: bytes, kind: bytes) -> None:
    chain = DevChain(Ledger(None), chain_id=31_337, clock=Clock())

    with pytest.raises((BadParameters, Refused)):
        chain.send(kind + raw)

    assert chain.head.number == 0


@example(position=6, bit=6)  # the nonce 0x80 becomes the empty list 0xc0
@given(position=st.integers(0, 111), bit=st.integers(0, 7))
def test_send__one_flipped_bit__never_moves_money_of_the_signer(position: int, bit: int) -> None:
    chain = DevChain(Ledger(None), chain_id=31_337, clock=Clock())
    raw = bytearray(transfer(0))
    raw[position % len(raw)] ^= 1 << bit

    with pytest.raises((BadParameters, Refused)):
        chain.send(bytes(raw))

    assert chain.account_nonce(OPERATOR.address) == 0


def test_time__blocks_faster_than_seconds__strictly_increasing(
    chain: DevChain, clock: Clock
) -> None:
    chain.mine(3)

    times = [chain.ledger.block(number).header.timestamp for number in range(4)]
    assert times == [START, START + 1, START + 2, START + 3]
    clock.now = START + 100
    chain.mine()
    assert chain.head.header.timestamp == START + 100


def test_time__backwards__refused(chain: DevChain) -> None:
    with pytest.raises(BadParameters):
        chain.set_next_timestamp(START)
    with pytest.raises(BadParameters):
        chain.increase_time(2**64)


def test_randomness__same_height_after_a_rollback__differs(chain: DevChain) -> None:
    chain.mine()
    before = chain.head

    chain.roll_back(1)
    chain.mine()

    assert chain.head.number == before.number
    assert chain.head.header.mix_hash != before.header.mix_hash
    assert chain.head.hash != before.hash


def test_snapshot__nested__the_older_forgets_the_newer(chain: DevChain) -> None:
    outer = chain.snapshot()
    chain.send(transfer(0))
    inner = chain.snapshot()
    chain.send(transfer(1))

    assert chain.revert(outer)

    assert not chain.revert(inner)
    assert chain.head.number == 0
    assert chain.account_nonce(OPERATOR.address) == 0


def test_snapshot__of_a_block_that_was_rolled_back__refused(chain: DevChain) -> None:
    chain.mine()
    snapshot = chain.snapshot()
    chain.roll_back(1)
    chain.mine()

    assert not chain.revert(snapshot)


def test_edit__balance_by_hand__kept_by_a_snapshot_around_it(chain: DevChain) -> None:
    poor = bytes.fromhex("22" * 20)
    snapshot = chain.snapshot()

    chain.edit_state(lambda state: state.set_balance(poor, 7))
    edited = chain.state(chain.head_view()).get_balance(poor)
    chain.revert(snapshot)

    assert edited == 7
    assert chain.state(chain.head_view()).get_balance(poor) == 0


def test_estimate__transfer_and_creation__enough_and_no_more(chain: DevChain) -> None:
    plain = CallRequest(OPERATOR.address, STRANGER.address, b"", 1, 60_000_000, 0)
    creation = replace(plain, recipient=None, data=REVERTING_INIT, value_wei=0)

    gas = chain.estimate_gas(creation, chain.pending_view())
    sent = chain.send(transfer(0, to="", value=0, data=REVERTING_INIT, gas=gas))

    assert chain.estimate_gas(plain, chain.pending_view()) == 21_000
    mined = chain.ledger.transaction(sent)
    assert mined is not None
    assert mined.receipt.succeeded
    assert mined.receipt.gas_used == gas
    contract = mined.receipt.contract_address
    assert contract is not None
    assert chain.state(chain.head_view()).get_code(contract) == REVERTING
    with pytest.raises(ExecutionReverted):
        chain.estimate_gas(replace(plain, recipient=contract), chain.pending_view())


def test_estimate__more_value_than_owned__insufficient_funds(chain: DevChain) -> None:
    request = CallRequest(bytes(20), STRANGER.address, b"", 1, 60_000_000, 0)

    with pytest.raises(Refused, match="insufficient funds"):
        chain.estimate_gas(request, chain.pending_view())


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", None),
        (bytes.fromhex("08c379a0"), None),
        (bytes.fromhex("08c379a0") + b"\xff" * 64, None),
        (
            bytes.fromhex("08c379a0") + (32).to_bytes(32, "big") + (2).to_bytes(32, "big") + b"no",
            None,
        ),
        (
            bytes.fromhex("08c379a0")
            + (32).to_bytes(32, "big")
            + (2).to_bytes(32, "big")
            + b"no".ljust(32, b"\0"),
            "no",
        ),
        (
            bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big"),
            "arithmetic underflow or overflow",
        ),
        (bytes.fromhex("12345678"), None),
    ],
)
def test_revert_reason__payload__text_or_none(payload: bytes, reason: str | None) -> None:
    assert reason == revert_reason(payload)


def test_ledger__reopened__same_head_pool_and_clock(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "chain.sqlite"
    first = DevChain(Ledger(path), chain_id=31_337, clock=clock)
    first.send(transfer(0))
    first.increase_time(500)
    waiting = first.send(transfer(5))
    first.ledger.close()

    second = DevChain(Ledger(path), chain_id=31_337, clock=clock)

    assert second.head.hash == first.head.hash
    assert second.pool.get(waiting) is not None
    second.mine()
    assert second.head.header.timestamp == START + 500
    second.ledger.close()


def test_ledger__other_chain_id_or_no_database__refused(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "chain.sqlite"
    DevChain(Ledger(path), chain_id=31_337, clock=clock).ledger.close()
    with pytest.raises(DamagedLedger, match="another id"):
        DevChain(Ledger(path), chain_id=1, clock=clock)

    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(DamagedLedger):
        Ledger(path)


def test_ledger__disk_full_while_sealing__refused_and_the_chain_stands(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "chain.sqlite"
    chain = DevChain(Ledger(path), chain_id=31_337, clock=clock)
    chain.send(transfer(0))
    head = chain.head.hash
    # SQLite's own bound stands for a full disk: the next page is refused as one would be.
    pages = chain.ledger._connection.execute("PRAGMA page_count").fetchone()[0]
    chain.ledger._connection.execute(f"PRAGMA max_page_count = {pages}")

    with pytest.raises(sqlite3.OperationalError, match="full"):
        for nonce in range(1, 200):
            chain.send(transfer(nonce))
    head, nonce = chain.head, chain.account_nonce(OPERATOR.address)
    chain.ledger._connection.execute("PRAGMA max_page_count = 1000000")
    chain.send(transfer(nonce))

    assert chain.head.header.parent_hash == head.hash
    assert chain.account_nonce(OPERATOR.address) == nonce + 1
    chain.ledger.close()
