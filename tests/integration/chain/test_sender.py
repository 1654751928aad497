"""Each effect once: repeated keys, reverts, fees, lost and reorganised transactions, strangers."""

from pathlib import Path

import pytest

from offchain.chain.adapters.memory import EmbeddedTransport
from offchain.chain.clock import VirtualClock
from offchain.chain.dispatch import SenderPolicy
from offchain.chain.errors import (
    ContractReverted,
    InsufficientFunds,
    KeyReused,
    NotMinedYet,
    OutboxBusy,
    OutboxForeign,
    SettledLost,
    TransactionRefused,
    WellKnownKey,
)
from offchain.chain.fees import FeePolicy
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Address
from offchain.chain.node import Node
from offchain.chain.sender import TransactionSender
from tests.integration.chain.conftest import DevControls
from tests.support.probe import (
    ProbeClient,
    TooLate,
    a_funded_key,
    an_operator_key,
    deploy_probe,
    ticking,
)

KEY = b"\x07" * 32
STRANGER = Address(b"\x51" * 20)


def effects(node: Node, probe: ProbeClient, key: bytes = KEY) -> int:
    return probe.effects(key, at=node.block().hash)


def reopened(node: Node, path: Path, policy: SenderPolicy | None = None) -> TransactionSender:
    return TransactionSender.open(node, a_funded_key(), path, policy=policy, clock=ticking(node))


# Keys


def test_send__same_key_twice__one_effect(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    first = sender.send(probe.bump(KEY), key="bump")
    second = sender.send(probe.bump(KEY), key="bump")

    receipts = sender.wait_all([first, second])

    assert first == second
    assert receipts[0] == receipts[1]
    assert effects(node, probe) == 1


def test_send__same_key_after_it_was_settled__one_effect(
    node: Node, sender: TransactionSender, probe: ProbeClient, controls: DevControls
) -> None:
    receipt = sender.execute(probe.bump(KEY), key="bump")
    controls.mine(20)
    sender.maintain()

    again = sender.execute(probe.bump(KEY), key="bump")

    assert receipt == again
    assert effects(node, probe) == 1


def test_send__same_key_for_another_effect__refused(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    sender.execute(probe.bump(KEY), key="bump")

    with pytest.raises(KeyReused):
        sender.send(probe.bump(bytes(32)), key="bump")
    with pytest.raises(KeyReused):
        sender.send_many([("new", probe.bump(KEY)), ("new", probe.bump(bytes(32)))])

    assert probe.count(at=node.block().hash) == 1


def test_send_many__in_one_group__each_effect_once_and_in_order(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    calls = [(f"bump {number}", probe.bump(bytes([number]) * 32)) for number in range(20)]

    receipts = sender.wait_all(sender.send_many([*calls, calls[0]]))

    assert probe.count(at=node.block().hash) == 20
    assert receipts[0] == receipts[-1]
    places = [(one.block_number, one.logs[0].log_index) for one in receipts[:-1]]
    assert sorted(places) == places


# Reverts


def test_send__contract_refuses_at_estimation__typed_error_no_nonce_no_key(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    nonce = node.nonce(sender.account)

    with pytest.raises(TooLate):
        sender.send(probe.bump_below(KEY, 0), key="bump")

    assert nonce == node.nonce(sender.account)
    sender.execute(probe.bump(KEY), key="bump")
    assert effects(node, probe) == 1


def test_wait__reverted_in_its_block__reason_is_found(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    handles = sender.send_many(
        [
            ("first", probe.bump_below(KEY, 1, gas_hint=200_000)),
            ("second", probe.bump_below(KEY, 1, gas_hint=200_000)),
        ]
    )

    assert sender.wait(handles[0]).succeeded
    with pytest.raises(TooLate):
        sender.wait(handles[1])
    assert effects(node, probe) == 1


def test_wait__out_of_gas__says_so(sender: TransactionSender, probe: ProbeClient) -> None:
    handle = sender.send(probe.bump(KEY, gas_hint=30_000), key="bump")

    with pytest.raises(ContractReverted, match="out of gas"):
        sender.wait(handle)


def test_send__reverted_key_before_it_is_settled__same_answer_no_second_try(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    call = probe.bump_below(KEY, 0, gas_hint=200_000)
    with pytest.raises(TooLate):
        sender.execute(call, key="bump")
    nonce = node.nonce(sender.account)

    with pytest.raises(TooLate):
        sender.execute(call, key="bump")

    assert nonce == node.nonce(sender.account)


def test_send__reverted_key_once_settled__may_try_again(
    node: Node, sender: TransactionSender, probe: ProbeClient, controls: DevControls
) -> None:
    call = probe.bump(KEY, gas_hint=30_000)
    with pytest.raises(ContractReverted):
        sender.execute(call, key="bump")
    controls.mine(13)
    sender.maintain()

    sender.execute(probe.bump(KEY), key="bump")

    assert effects(node, probe) == 1


# Money


def test_send__account_cannot_pay__refused_before_anything_is_decided(
    node: Node, tmp_path: Path, probe: ProbeClient
) -> None:
    poor = an_operator_key()
    with (
        TransactionSender.open(node, poor, tmp_path / "poor.db", clock=ticking(node)) as sender,
        pytest.raises(InsufficientFunds),
    ):
        sender.send(probe.bump(KEY, gas_hint=100_000), key="bump")

    assert effects(node, probe) == 0
    assert node.nonce(poor.address) == 0


def test_send__node_will_never_take_it__withdrawn_and_the_rest_goes_on(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    calls = [
        ("before", probe.bump(KEY, gas_hint=100_000)),
        ("too much gas", probe.bump(KEY, gas_hint=61_000_000)),
        ("after", probe.bump(KEY, gas_hint=100_000)),
    ]

    with pytest.raises(TransactionRefused):
        sender.send_many(calls)
    sender.execute(probe.bump(KEY), key="later")

    assert effects(node, probe) == 3
    assert sender.execute(calls[2][1], key="after").succeeded


def test_send__node_will_never_take_a_lone_one__nonce_is_free_again(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    nonce = node.nonce(sender.account)

    with pytest.raises(TransactionRefused):
        sender.send(probe.bump(KEY, gas_hint=61_000_000), key="too much gas")
    sender.execute(probe.bump(KEY), key="too much gas")

    assert nonce + 1 == node.nonce(sender.account)
    assert effects(node, probe) == 1


# Fees


def test_wait__unmined_for_long__replaced_by_a_higher_offer_and_one_effect(
    node: Node,
    outbox_path: Path,
    sender: TransactionSender,
    probe: ProbeClient,
    controls: DevControls,
) -> None:
    sender.close()
    clock = VirtualClock(1_000_000.0)
    controls.hold_blocks()
    with TransactionSender.open(node, a_funded_key(), outbox_path, clock=clock) as patient:
        handle = patient.send(probe.bump(KEY), key="bump")
        with pytest.raises(NotMinedYet):
            patient.wait(handle, timeout_seconds=60)
        attempts = patient._outbox.find("bump").attempts  # type: ignore[union-attr]  # it is there
        controls.mine_at_once()
        receipt = patient.wait(handle)

    offers = [attempt.offer.max_fee_wei for attempt in attempts]
    assert len(offers) == 2
    assert offers[1] * 8 >= offers[0] * 9
    assert receipt.transaction_hash == attempts[1].hash
    assert effects(node, probe) == 1


def test_wait__base_fee_above_every_offer__raised_up_to_the_cap_only(
    node: Node,
    outbox_path: Path,
    sender: TransactionSender,
    probe: ProbeClient,
    controls: DevControls,
) -> None:
    sender.close()
    base_fee = node.fees().base_fee_wei
    policy = SenderPolicy(fees=FeePolicy(cap_wei=base_fee - 1))
    clock = VirtualClock(1_000_000.0)
    with TransactionSender.open(
        node, a_funded_key(), outbox_path, policy=policy, clock=clock
    ) as thrifty:
        handle = thrifty.send(probe.bump(KEY), key="bump")
        with pytest.raises(NotMinedYet):
            thrifty.wait(handle, timeout_seconds=120)
        entry = thrifty._outbox.find("bump")
        assert entry is not None
        assert base_fee - 1 == entry.latest.offer.max_fee_wei

    assert effects(node, probe) == 0
    controls.mine(30)
    with reopened(node, outbox_path, policy) as thrifty:
        thrifty.execute(probe.bump(KEY), key="bump")
    assert effects(node, probe) == 1


def test_maintain__fee_spike_after_sending__replacement_is_mined(
    node: Node,
    outbox_path: Path,
    sender: TransactionSender,
    probe: ProbeClient,
    controls: DevControls,
) -> None:
    sender.close()
    # The first offer has no headroom: any growth of the base fee puts it under water.
    policy = SenderPolicy(fees=FeePolicy(headroom_bps=10_000, least_tip_wei=1))
    controls.hold_blocks()
    clock = VirtualClock(1_000_000.0)
    with TransactionSender.open(
        node, a_funded_key(), outbox_path, policy=policy, clock=clock
    ) as tight:
        handle = tight.send(probe.bump(KEY), key="bump")
        entry = tight._outbox.find("bump")
        assert entry is not None
        controls.ask("anvil_dropAllTransactions")
        _fill_blocks(node, controls, until_wei=entry.latest.offer.max_fee_wei)
        clock.sleep(policy.stuck_seconds / 3)
        tight.maintain()
        controls.mine()

        receipt = tight.wait(handle)

    assert receipt.transaction_hash != entry.latest.hash
    assert receipt.effective_gas_price_wei > entry.latest.offer.max_fee_wei
    assert effects(node, probe) == 1


def _fill_blocks(node: Node, controls: DevControls, *, until_wei: int) -> None:
    """Full blocks from another account, until the base fee passes `until_wei`."""
    crowd = controls.ask("eth_accounts")[5]  # type: ignore[index]  # ten addresses
    while node.fees().base_fee_wei <= until_wei:
        # INVALID burns all the gas it is given.
        call = {
            "from": crowd,
            "data": "0xfe",
            "gas": hex(59_000_000),
            "maxFeePerGas": hex(10**13),
            "maxPriorityFeePerGas": "0x1",
        }
        controls.ask("eth_sendTransaction", call)
        controls.mine()


# Lost and reorganised


def test_maintain__node_forgot_a_transaction__same_bytes_again_one_effect(
    node: Node,
    sender: TransactionSender,
    probe: ProbeClient,
    controls: DevControls,
) -> None:
    controls.hold_blocks()
    handle = sender.send(probe.bump(KEY), key="bump")
    entry = sender._outbox.find("bump")
    controls.ask("anvil_dropAllTransactions")

    receipt = sender.wait(handle)

    assert entry is not None
    assert entry.latest.hash == receipt.transaction_hash
    assert effects(node, probe) == 1


def test_maintain__block_reorganised_away__effect_comes_back_once(
    node: Node, sender: TransactionSender, probe: ProbeClient, controls: DevControls
) -> None:
    handle = sender.send(probe.bump(KEY), key="bump")
    first = sender.wait(handle)
    controls.reorganise(node.block().number - first.block_number + 1)
    assert effects(node, probe) == 0

    second = sender.wait(handle)

    assert first.transaction_hash == second.transaction_hash
    assert first.block_hash != second.block_hash
    assert effects(node, probe) == 1


def test_maintain__several_reorganised_away__all_come_back_in_order(
    node: Node, sender: TransactionSender, probe: ProbeClient, controls: DevControls
) -> None:
    handles = sender.send_many(
        [(f"bump {number}", probe.bump(bytes([number]) * 32)) for number in range(6)]
    )
    first = sender.wait_all(handles)[0].block_number
    controls.reorganise(node.block().number - first + 1)
    assert probe.count(at=node.block().hash) == 0

    sender.wait_all(handles, confirmations=2)

    assert probe.count(at=node.block().hash) == 6
    assert probe.effects_of([bytes([n]) * 32 for n in range(6)], at=node.block().hash) == [1] * 6


def test_wait__settled_block_reorganised_away__says_so_and_sends_nothing(
    node: Node, outbox_path: Path, controls: DevControls
) -> None:
    policy = SenderPolicy(finality_blocks=0)
    with reopened(node, outbox_path, policy) as sender:
        probe = deploy_probe(node, sender)
        handle = sender.send(probe.bump(KEY), key="bump")
        settled = sender.wait(handle)
        controls.reorganise(node.block().number - settled.block_number + 1)

        with pytest.raises(SettledLost):
            sender.wait(handle)

        assert effects(node, probe) == 0


def test_wait__more_confirmations__waits_for_the_blocks_on_top(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    receipt = sender.execute(probe.bump(KEY), key="bump", confirmations=5)

    assert receipt.block_number + 4 <= node.block().number


# Strangers with the same key


def test_maintain__stranger_took_the_nonce_for_good__effect_gets_a_new_one(
    node: Node,
    sender: TransactionSender,
    probe: ProbeClient,
    controls: DevControls,
    transport: EmbeddedTransport,
) -> None:
    controls.hold_blocks()
    handle = sender.send(probe.bump(KEY), key="bump")
    controls.ask("anvil_dropAllTransactions")
    account = "0x" + sender.account.hex()
    stolen = {"from": account, "to": "0x" + STRANGER.hex(), "value": "0x1"}
    controls.ask("eth_sendTransaction", stolen)
    controls.mine()

    receipt = sender.wait(handle, timeout_seconds=300)

    assert receipt.succeeded
    assert effects(node, probe) == 1
    assert node.balance(STRANGER, at=node.block().hash) == 1


def test_maintain__nonces_below_are_gone__gap_is_filled(
    node: Node, sender: TransactionSender, probe: ProbeClient, controls: DevControls
) -> None:
    controls.hold_blocks()
    account = "0x" + sender.account.hex()
    for _ in range(2):
        controls.ask("eth_sendTransaction", {"from": account, "to": account, "value": "0x1"})
    handle = sender.send(probe.bump(KEY), key="bump")
    controls.ask("anvil_dropAllTransactions")

    receipt = sender.wait(handle, timeout_seconds=300)

    assert receipt.succeeded
    assert effects(node, probe) == 1


# Opening


def test_open__outbox_in_use__refused_and_free_after_close(
    node: Node, sender: TransactionSender, outbox_path: Path
) -> None:
    with pytest.raises(OutboxBusy):
        reopened(node, outbox_path)

    sender.close()
    reopened(node, outbox_path).close()


def test_open__another_account_same_file__both_send(
    node: Node, sender: TransactionSender, probe: ProbeClient, outbox_path: Path
) -> None:
    other = TransactionSender.open(node, a_funded_key(1), outbox_path, clock=ticking(node))

    with other:
        other.execute(probe.bump(KEY), key="bump")
        sender.execute(probe.bump(KEY), key="bump")

    assert effects(node, probe) == 2


def test_open__outbox_of_another_chain__refused(
    sender: TransactionSender, outbox_path: Path
) -> None:
    sender.close()
    other = EmbeddedTransport(chain_id=1337)
    try:
        with pytest.raises(OutboxForeign):
            reopened(Node(other), outbox_path)
    finally:
        other.close()


def test_open__well_known_key_off_a_devnet__refused(tmp_path: Path) -> None:
    public = EmbeddedTransport(chain_id=5)
    try:
        with pytest.raises(WellKnownKey):
            TransactionSender.open(Node(public), a_funded_key(9), tmp_path / "outbox.db")
        own = LocalSigner.from_secret(b"\x11" * 32)
        TransactionSender.open(Node(public), own, tmp_path / "outbox.db").close()
    finally:
        public.close()


def test_deploy__two_probes__two_addresses(
    node: Node, sender: TransactionSender, probe: ProbeClient
) -> None:
    other = deploy_probe(node, sender, start=5)

    assert other.address != probe.address
    assert other.count(at=node.block().hash) == 5
