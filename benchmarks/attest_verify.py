"""What it costs to judge one TDX quote, library and policy, beside the library alone.

  python -m benchmarks.attest_verify [--rounds 20] [--json]

The evidence is a software TEE's: a TDX v4 quote of 4.2 kB with collateral, event log and compose
text, judged by the production verifier under its own root. The baseline is the bare library on the
same quote and collateral, parsed beforehand. Both run in turns, in CPU time of one thread; a figure
is the quietest round. The negatives are counted by running their tests.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dcap_qvl import (  # type: ignore[import-untyped]  # it has stubs, but no py.typed
    QuoteCollateralV3,
    verify_with_root_ca,
)

from benchmarks.rows import Row, at_least, at_most, flags_of, show
from offchain.attestation.adapters.dcap_qvl import DcapQvl
from offchain.attestation.adapters.software_tee import SoftwareTee, TdPlan, compose_of_source
from offchain.attestation.adapters.software_vendor import create_vendor
from offchain.attestation.bundle import Bundle
from offchain.attestation.model import MeasurementClass
from offchain.attestation.policy import NO_END, Here, MeasurementEntry, Policy
from offchain.attestation.report_data import Domain, Subject, epoch_nonce, key_hash, report_data
from offchain.attestation.verify import verify_bundle

ROOT: Final = Path(__file__).resolve().parents[1]
ROUNDS: Final = 20
QUOTES_A_ROUND: Final = 50
NOW: Final = 1_800_000_000
BAR_MS: Final = 1.5
BAR_MAKE_MS: Final = 1.0
BAR_NEGATIVES: Final = 46
COMMAND: Final = "python -m benchmarks.attest_verify"
NEGATIVES: Final = "tests/unit/attestation/test_negatives.py"
CHOSEN: Final = "refused_with_exactly_its_reason"


@dataclass(frozen=True, slots=True)
class Measured:
    """CPU milliseconds of the quietest round."""

    verify_ms: float
    library_ms: float
    make_ms: float


def run(rounds: int = ROUNDS) -> list[Row]:
    """Measure both ways in turns, then count the negatives."""
    measured = measure(rounds)
    return [
        at_most(
            "attest.verify.ms",
            measured.verify_ms,
            "ms of CPU",
            BAR_MS,
            command=COMMAND,
            baseline=measured.library_ms,
        ),
        at_most("attest.quote.ms", measured.make_ms, "ms of CPU", BAR_MAKE_MS, command=COMMAND),
        at_least(
            "attest.negatives",
            count_negatives(),
            "cases refused for their reason",
            BAR_NEGATIVES,
            command=COMMAND,
        ),
    ]


def measure(rounds: int) -> Measured:
    """Judge, judge bare, make: in turns, the quietest round of each."""
    vendor = create_vendor(NOW)
    compose = compose_of_source("broker", [ROOT / "offchain" / "attestation"])
    tee = SoftwareTee(vendor, TdPlan(compose), NOW)
    entry = MeasurementEntry(tee.measurement_id, MeasurementClass.BROKER, NO_END)
    policy = Policy(measurements=(entry,), allow_simulated=True)
    library = DcapQvl(vendor.root_der)
    here = Here(Domain(31337, bytes(20)), {1: epoch_nonce(1, bytes(32))}, NOW)
    bundle = make_bundle(tee, here)
    native = QuoteCollateralV3.from_json(bundle.collateral)
    ways: tuple[Callable[[], object], ...] = (
        lambda: verify_bundle(bundle, policy=policy, here=here, library=library),
        lambda: verify_with_root_ca(bundle.quote, native, vendor.root_der, NOW),
        lambda: tee.quote(bytes(64)),
    )
    quietest = [min(costs) for costs in zip(*(time_all(ways) for _ in range(rounds)), strict=True)]
    return Measured(*quietest)


def make_bundle(tee: SoftwareTee, here: Here) -> Bundle:
    """What a provider in this machine publishes."""
    key = b"\1" * 32
    subject = Subject(b"\2" * 32, b"\3" * 20, key_hash(key))
    data = report_data(here.domain, subject, here.nonces[1])
    return Bundle(
        domain=here.domain,
        epoch=1,
        service_id=subject.service_id,
        signer=subject.signer,
        enc_key=key,
        tls_key=b"",
        quote=tee.quote(data),
        collateral=tee.collateral(NOW),
        event_log=tee.event_log,
        compose=tee.compose,
        gpu="",
    )


def time_all(ways: tuple[Callable[[], object], ...]) -> list[float]:
    """CPU milliseconds of one call, for each way."""
    costs = []
    for way in ways:
        started = time.process_time()
        for _ in range(QUOTES_A_ROUND):
            way()
        costs.append((time.process_time() - started) / QUOTES_A_ROUND * 1e3)
    return costs


def count_negatives() -> int:
    """How many named pieces of bad evidence are refused for their reason; 0 if any is not."""
    command = [sys.executable, "-m", "pytest", "-p", "no:ape_test", "-q", NEGATIVES, "-k", CHOSEN]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    passed = re.search(r"(\d+) passed", ended.stdout)
    return int(passed[1]) if ended.returncode == 0 and passed else 0


def main() -> int:
    parser = flags_of(__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    asked = parser.parse_args()
    return show(run(asked.rounds), as_json=asked.json)


if __name__ == "__main__":
    sys.exit(main())
