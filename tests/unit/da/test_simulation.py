"""The simulation of many nodes: equal for equal seeds, bounded by links and by cores."""

from dataclasses import dataclass, replace

import pytest

from benchmarks.da_simulation import Costs, Network, calibrate, simulate

FREE = Costs(matrix=0.0, payload_byte=0.0, signer=0.0, blob=0.0, body_byte=0.0)
TYPICAL = Costs(matrix=0.03, payload_byte=5e-9, signer=0.002, blob=0.008, body_byte=3e-9)
SMALL = Network(nodes=4, dispersers=1, blobs=40, payload_bytes=4_000_000, link_bytes_s=1_000_000)


@dataclass(frozen=True)
class ARun:
    nodes: int
    blobs: int
    payload_bytes: int
    link_bytes_s: int
    disperser_cpu: float
    node_cpu: float
    mb_s: float = 1.0


def test_simulate__same_seed__same_figure() -> None:
    network = replace(SMALL, jitter=0.3, nodes=20, link_bytes_s=1e9)
    assert simulate(network, TYPICAL, seed=7) == simulate(network, TYPICAL, seed=7)
    assert simulate(network, TYPICAL, seed=7) != simulate(network, TYPICAL, seed=8)


def test_simulate__links_are_the_limit__grows_with_nodes_to_what_links_carry() -> None:
    two = simulate(replace(SMALL, nodes=2), FREE)
    sixteen = simulate(replace(SMALL, nodes=16, blobs=320), FREE)
    assert 7.0 < sixteen / two < 8.0
    assert two < 2 * SMALL.link_bytes_s / 3.1


def test_simulate__cores_are_shared__no_faster_than_the_work_allows() -> None:
    work = (
        TYPICAL.matrix
        + TYPICAL.payload_byte * SMALL.payload_bytes
        + 4 * (TYPICAL.signer + TYPICAL.blob)
    )
    speed = simulate(replace(SMALL, link_bytes_s=1e12, shared_cores=2), TYPICAL)
    assert speed < 2 * SMALL.payload_bytes / work


def test_calibrate__runs_made_from_known_costs__found_again() -> None:
    from benchmarks.da_simulation import _body

    runs = [
        ARun(
            nodes=nodes,
            blobs=3,
            payload_bytes=4_000_000,
            link_bytes_s=1,
            disperser_cpu=3 * (0.03 + 5e-9 * 4_000_000 + 0.002 * nodes),
            node_cpu=3 * nodes * (0.008 + 3e-9 * _body(4_000_000, nodes)),
        )
        for nodes in (2, 8, 16)
    ]
    found = calibrate(runs, payload_byte=5e-9)
    assert found.matrix == pytest.approx(0.03)
    assert found.signer == pytest.approx(0.002)
    assert found.blob == pytest.approx(0.008)
    assert found.body_byte == pytest.approx(3e-9)
