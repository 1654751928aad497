"""shared/point_evaluation.vy: openings against ckzg's own, and every malformed one."""

import boa
import ckzg
import pytest
from boa.contracts.vyper.vyper_contract import VyperContract
from eth.vm.forks.prague.computation import PragueComputation

from offchain.core.bls import R
from offchain.core.kzg import setup_path

PROBE = """
# pragma version 0.4.3
from contracts.shared import point_evaluation


@deploy
def __init__():
    point_evaluation._prove_precompile()


@external
def opens(commitment: Bytes[48], z: uint256, y: uint256, proof: Bytes[48]) -> bool:
    return point_evaluation._opens(commitment, z, y, proof)
"""
BLOB = b"".join((index * 7 + 1).to_bytes(32, "big") for index in range(4_096))
Z = 12_345
TRUE_ANSWER = (4_096).to_bytes(32, "big") + R.to_bytes(32, "big")


@pytest.fixture(scope="module")
def probe() -> VyperContract:
    return boa.loads(PROBE, name="PointProbe")


@pytest.fixture(scope="module")
def opening() -> tuple[bytes, int, bytes]:
    setup = ckzg.load_trusted_setup(str(setup_path()), 0)
    commitment = ckzg.blob_to_kzg_commitment(BLOB, setup)
    proof, value = ckzg.compute_kzg_proof(BLOB, Z.to_bytes(32, "big"), setup)
    return commitment, int.from_bytes(value, "big"), proof


def test_opens__true_opening__is_accepted(
    probe: VyperContract, opening: tuple[bytes, int, bytes]
) -> None:
    commitment, value, proof = opening

    assert probe.opens(commitment, Z, value, proof)


def test_opens__anything_altered__is_refused(
    probe: VyperContract, opening: tuple[bytes, int, bytes]
) -> None:
    commitment, value, proof = opening

    assert not probe.opens(commitment, Z, value + 1, proof)
    assert not probe.opens(commitment, Z + 1, value, proof)
    assert not probe.opens(commitment, Z, value + R, proof)
    assert not probe.opens(commitment, Z + R, value, proof)
    assert not probe.opens(proof, Z, value, proof)
    assert not probe.opens(commitment, Z, value, commitment)
    assert not probe.opens(commitment[:47], Z, value, proof)
    assert not probe.opens(commitment, Z, value, proof[:47])
    assert not probe.opens(b"\0" * 48, Z, value, proof)


@pytest.mark.parametrize(
    "answer", [b"", bytes(64), (4_096).to_bytes(32, "big") + bytes(32), TRUE_ANSWER + b"\0"]
)
def test_inv_da_7__lying_or_missing_precompile__refuses_deployment(answer: bytes) -> None:
    address = (0x0A).to_bytes(20, "big")
    honest = PragueComputation._precompiles[address]

    def lie(computation: object) -> object:
        computation.output = answer
        return computation

    PragueComputation._precompiles[address] = lie
    try:
        with boa.reverts("point_evaluation: wrong answer"):
            boa.loads(PROBE)
    finally:
        PragueComputation._precompiles[address] = honest
