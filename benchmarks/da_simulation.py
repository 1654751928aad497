"""A discrete-event simulation of dispersals, calibrated by real runs, up to a thousand nodes.

  disperser   a place for a matrix -> encode (cores) -> pay -> send (uplink, one queue)
  node        downlink, shared by all dispersers -> check, store, sign (cores) -> signature
  disperser   all signatures -> certificate; the place is free

Costs are two straight lines fitted to what benchmarks/da_scale.py measured: CPU of the disperser
against the number of nodes, CPU of a node against the bytes it takes; what a byte more of payload
costs the disperser is timed alone in the same run. The runs shared two cores, so
the same runs are simulated on two cores first, and the difference to what was measured is printed.
Same seed, same figures. Machines differ in speed as `JITTER` says; nobody fails here.
"""

import heapq
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from benchmarks.rows import Row, at_least, at_most
from offchain.core.layout import MAX_PAYLOAD_BYTES, N, Shape
from offchain.da.accept import body_bytes

COMMAND = "apogee bench da --json"
SEED = 20_261
JITTER = 0.15  # standard deviation of the logarithm of a machine's speed
GIGABIT = 125_000_000
FAST_LINK = 10 * GIGABIT
SLOW_LINK = 20_000_000
MACHINE_CORES = 16
CHAIN_SECONDS = 0.05  # a payment or certificate until its block, as on the development chain
NODES = (16, 64, 256, 1_000)
NODES_A_DISPERSER = 16
BLOBS_A_DISPERSER = 6
SLOW_BLOBS = 40
MATRICES = 3


class Run(Protocol):
    """What a calibration needs of one measured run; see da_scale.Measured."""

    @property
    def nodes(self) -> int: ...
    @property
    def blobs(self) -> int: ...
    @property
    def payload_bytes(self) -> int: ...
    @property
    def link_bytes_s(self) -> int: ...
    @property
    def disperser_cpu(self) -> float: ...
    @property
    def node_cpu(self) -> float: ...
    @property
    def mb_s(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds: of a disperser a blob, a payload byte and a signer; of a node a blob and a body
    byte.
    """

    matrix: float
    payload_byte: float
    signer: float
    blob: float
    body_byte: float


@dataclass(frozen=True, slots=True)
class Network:
    """What is simulated. `shared_cores`: all processes share so many; 0: a machine each."""

    nodes: int
    dispersers: int
    blobs: int
    payload_bytes: int
    link_bytes_s: float
    shared_cores: int = 0
    uplink_bytes_s: float = math.inf
    jitter: float = 0.0


def calibrate(runs: Sequence[Run], *, payload_byte: float) -> Costs:
    """Least squares over the measured runs."""
    [payload_bytes] = {run.payload_bytes for run in runs}
    base, signer = _line([(run.nodes, run.disperser_cpu / run.blobs) for run in runs])
    blob, byte = _line(
        [(_body(payload_bytes, run.nodes), run.node_cpu / run.blobs / run.nodes) for run in runs]
    )
    fixed = max(base - payload_byte * payload_bytes, 0.0)
    return Costs(fixed, payload_byte, signer, blob, byte)


def simulation_rows(runs: Sequence[Run], *, payload_byte: float) -> list[Row]:
    """How far the simulation is off where it can be checked, then what it says where it cannot."""
    costs = calibrate(runs, payload_byte=payload_byte)
    rows = []
    for run in runs:
        network = Network(
            nodes=run.nodes,
            dispersers=1,
            blobs=run.blobs,
            payload_bytes=run.payload_bytes,
            link_bytes_s=run.link_bytes_s,
            shared_cores=2,
        )
        error = abs(simulate(network, costs) / 1e6 / run.mb_s - 1) * 100
        name = f"da.simulation.error.{run.nodes}_nodes"
        rows.append(at_most(name, error, "% of measured", None, command=COMMAND))
    slow = [_grown(nodes, SLOW_LINK, costs, blobs=SLOW_BLOBS) for nodes in (2, 16)]
    name = "da.simulation.growth.2_to_16"
    rows.append(at_least(name, slow[1] / slow[0], "x", 7.0, command=COMMAND))
    for nodes in NODES:
        speed = _grown(nodes, FAST_LINK, costs, dispersers=max(1, nodes // NODES_A_DISPERSER))
        name = f"da.simulation.gb_s.{nodes}_nodes"
        rows.append(at_least(name, speed / 1e9, "GB/s", None, command=COMMAND))
    return rows


def simulate(network: Network, costs: Costs, *, seed: int = SEED) -> float:
    """Payload bytes a second, from the first blob's start to the last certificate."""
    return _Simulation(network, costs, random.Random(seed)).run()


def _grown(
    nodes: int,
    link: float,
    costs: Costs,
    *,
    dispersers: int = 1,
    blobs: int = BLOBS_A_DISPERSER,
) -> float:
    return simulate(
        Network(
            nodes=nodes,
            dispersers=dispersers,
            blobs=dispersers * blobs,
            payload_bytes=MAX_PAYLOAD_BYTES,
            link_bytes_s=link,
            uplink_bytes_s=FAST_LINK,
            jitter=JITTER,
        ),
        costs,
    )


def _line(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Intercept and slope of the best straight line, neither below zero."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0
    slope = max(slope, 0.0)
    return max(mean_y - slope * mean_x, 0.0), slope


def _body(payload_bytes: int, nodes: int) -> float:
    """Bytes that one of so many equal nodes is sent for a blob."""
    shape = Shape.of(payload_bytes)
    fixed = body_bytes(shape, 0)
    return fixed + (body_bytes(shape, 1) - fixed) * N / nodes


@dataclass(slots=True)
class _Server:
    """Some equal workers and one queue; answers when a job that comes now will be done."""

    free_at: list[float]
    speed: float = 1.0

    def finish(self, now: float, work: float) -> float:
        start = max(now, heapq.heappop(self.free_at))
        end = start + work / self.speed
        heapq.heappush(self.free_at, end)
        return end


@dataclass(slots=True)
class _Disperser:
    cores: _Server
    uplink: _Server
    waiting: int
    places: int = MATRICES


@dataclass(slots=True)
class _Blob:
    missing: int
    signed_at: float = 0.0


class _Simulation:
    """Events in order of time; each is a function of the time it happens at."""

    def __init__(self, network: Network, costs: Costs, chance: random.Random) -> None:
        self._network = network
        self._costs = costs
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._count = 0
        self._end = 0.0
        shared = _Server([0.0] * network.shared_cores) if network.shared_cores else None

        def machine() -> _Server:
            speed = math.exp(chance.gauss(0.0, network.jitter)) if network.jitter else 1.0
            return shared or _Server([0.0] * MACHINE_CORES, speed)

        each = -(-network.blobs // network.dispersers)
        self._dispersers = [
            _Disperser(machine(), _Server([0.0], network.uplink_bytes_s), each)
            for _ in range(network.dispersers)
        ]
        self._cores = [machine() for _ in range(network.nodes)]
        self._links = [_Server([0.0], network.link_bytes_s) for _ in range(network.nodes)]
        self._orders = [chance.sample(range(network.nodes), network.nodes) for _ in range(16)]

    def run(self) -> float:
        for disperser in self._dispersers:
            self._at(0.0, partial(self._begin, disperser))
        while self._events:
            now, _, happen = heapq.heappop(self._events)
            self._end = max(self._end, now)
            happen(now)
        each = -(-self._network.blobs // self._network.dispersers)
        total = each * self._network.dispersers * self._network.payload_bytes
        return total / self._end

    def _at(self, time: float, happen: Callable[[float], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (time, self._count, happen))

    def _begin(self, who: _Disperser, now: float) -> None:
        """Encode as many blobs as there are places."""
        while who.places and who.waiting:
            who.places -= 1
            who.waiting -= 1
            work = self._costs.matrix
            work += self._costs.payload_byte * self._network.payload_bytes
            work += self._costs.signer * self._network.nodes
            encoded = who.cores.finish(now, work)
            self._at(encoded + CHAIN_SECONDS, partial(self._send, who))

    def _send(self, who: _Disperser, now: float) -> None:
        """To every node, in an order of this blob's own."""
        network = self._network
        size = _body(network.payload_bytes, network.nodes)
        blob = _Blob(network.nodes)
        for node in self._orders[self._count % len(self._orders)]:
            sent = who.uplink.finish(now, size) if network.uplink_bytes_s < math.inf else now
            started = max(now, sent - size / network.uplink_bytes_s)
            self._at(started, partial(self._receive, who, node, blob, size, sent))

    def _receive(  # one flow's whole state
        self,
        who: _Disperser,
        node: int,
        blob: _Blob,
        size: float,
        sent: float,
        now: float,
    ) -> None:
        arrived = max(sent, self._links[node].finish(now, size))
        work = self._costs.blob + self._costs.body_byte * size
        blob.signed_at = max(blob.signed_at, self._cores[node].finish(arrived, work))
        blob.missing -= 1
        if blob.missing == 0:
            self._at(blob.signed_at, partial(self._certify, who))

    def _certify(self, who: _Disperser, now: float) -> None:
        """The last signature frees the place; the certificate takes a block more."""
        who.places += 1
        self._begin(who, now)
        self._at(now + CHAIN_SECONDS, lambda _: None)
