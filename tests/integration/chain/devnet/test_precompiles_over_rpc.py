"""Precompiles through a contract and a socket: answers, and the same gas on both backends."""

import pytest
from web3 import Web3
from web3.contract import Contract

from tests.support.precompile_inputs import g1, g2, opening, p256_input, pairing_input

ONE, ZERO = (1).to_bytes(32, "big"), bytes(32)
MODULUS = 0x73EDA753299D7D483339D80809A1D80553BDA402FFFE5BFEFFFFFFFF00000001


def address_of(number: int) -> str:
    return Web3.to_checksum_address(f"0x{number:040x}")


@pytest.mark.parametrize(
    ("number", "data", "answer", "price"),
    [
        (0x0A, opening(), (4096).to_bytes(32, "big") + MODULUS.to_bytes(32, "big"), 50_000),
        (0x0B, g1(3) + g1(4), g1(7), 375),
        (0x0C, g1(3) + (5).to_bytes(32, "big"), g1(15), 12_000),
        (0x0C, (g1(3) + (5).to_bytes(32, "big")) * 8, g1(120), 8 * 12_000 * 728 // 1_000),
        (0x0D, g2(3) + g2(4), g2(7), 600),
        (0x0E, g2(3) + (5).to_bytes(32, "big"), g2(15), 22_500),
        (0x0F, pairing_input(), ONE, 102_900),
        (0x0F, pairing_input(holds=False), ZERO, 102_900),
    ],
    ids=["kzg", "g1 add", "g1 msm", "g1 msm of 8", "g2 add", "g2 msm", "pairing", "no pairing"],
)
def test_precompile__right_input__answer_and_prague_gas(
    counter: Contract, number: int, data: bytes, answer: bytes, price: int
) -> None:
    # The identity precompile on the same bytes tells what the calling itself costs.
    words = (len(data) + 31) // 32
    _, _, identity_gas = counter.functions.ask(address_of(0x04), data).call()
    overhead = identity_gas - (15 + 3 * words)

    succeeded, shown, gas = counter.functions.ask(address_of(number), data).call()

    assert succeeded
    assert shown == answer
    copied_less = 3 * (min(words, 8) - len(answer) // 32)
    assert abs(gas - overhead - price) <= 100 + copied_less


@pytest.mark.parametrize(
    ("number", "data"),
    [
        (0x0A, opening(holds=False)),
        (0x0A, opening()[:-1]),
        (0x0B, b"\x01" * 256),
        (0x0C, b""),
        (0x0F, pairing_input()[:-1]),
        (0x0F, bytes(127) + b"\x01" + pairing_input()[128:]),
        (0x10, b"\xff" * 64),
    ],
    ids=["kzg", "kzg short", "g1 add", "empty msm", "pairing short", "pairing off curve", "map"],
)
def test_precompile__invalid_input__fails_and_burns_what_it_was_given(
    counter: Contract, number: int, data: bytes
) -> None:
    succeeded, shown, gas = counter.functions.ask(address_of(number), data).call()

    assert not succeeded
    assert shown == b""
    assert 2_000_000 <= gas < 2_010_000


def test_mapping__field_elements__points_of_the_right_length(counter: Contract) -> None:
    assert len(counter.functions.ask(address_of(0x10), bytes(64)).call()[1]) == 128
    assert len(counter.functions.ask(address_of(0x11), bytes(128)).call()[1]) == 256


def test_p256__at_0x100__there_on_pyevm_and_honestly_absent_on_anvil(
    counter: Contract, backend: str
) -> None:
    succeeded, shown, gas = counter.functions.ask(address_of(0x100), p256_input(b"a")).call()

    assert succeeded
    assert shown == (ONE if backend == "pyevm" else b"")
    if backend == "pyevm":
        assert 6_900 <= gas < 8_500
        wrong = p256_input(b"a")[:-1] + b"\x00"
        assert counter.functions.ask(address_of(0x100), wrong).call()[1] == b""
