"""Evidence of simulated GPUs, under the GPU root of a software vendor.

Source: docs/protocol/attestation.md#software-tee.
"""

import base64
import json
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from offchain.attestation.adapters.software_vendor import (
    Issued,
    Vendor,
    gpu_revocation_list,
    issue_gpu_leaf,
)
from offchain.attestation.gpu import WIRE_VERSION, GpuStatement, gpu_nonce
from offchain.attestation.policy import GpuRequirement

USUAL_GPU: Final = GpuStatement(
    nonce="",
    model="Simulated H200",
    driver="580.95.05",
    vbios="96.00.d9.00.01",
    secure_boot=True,
    debug=False,
)


@dataclass(slots=True)
class SoftwareGpus:
    """`count` simulated GPUs of one machine; every field of a statement is a knob."""

    vendor: Vendor
    started_at: int
    count: int = 1
    statement: GpuStatement = USUAL_GPU
    is_revoked: bool = False
    nonce: bytes | None = None  # None: the one that report_data asks for
    _leaves: list[Issued] = field(init=False)

    def __post_init__(self) -> None:
        self._leaves = [issue_gpu_leaf(self.vendor, self.started_at) for _ in range(self.count)]

    def requirement(self) -> GpuRequirement:
        """The reference values that these GPUs satisfy when their statement is the usual one."""
        return GpuRequirement(
            model=USUAL_GPU.model,
            count=self.count,
            drivers=frozenset({USUAL_GPU.driver}),
            vbioses=frozenset({USUAL_GPU.vbios}),
        )

    def evidence(self, report_data: bytes) -> str:
        """Evidence for this report_data, JSON text."""
        nonce = gpu_nonce(report_data) if self.nonce is None else self.nonce
        said = replace(self.statement, nonce=nonce.hex())
        text = json.dumps(asdict(said), separators=(",", ":"))
        revoked = self._leaves[:1] if self.is_revoked else []
        crl = gpu_revocation_list(self.vendor, revoked, now=self.started_at)
        return json.dumps(
            {
                "version": WIRE_VERSION,
                "root": _text(self.vendor.gpu_root.der),
                "crl": _text(crl),
                "reports": [
                    {
                        "certificate": _text(leaf.der),
                        "statement": text,
                        "signature": _text(leaf.key.sign(text.encode(), ec.ECDSA(hashes.SHA256()))),
                    }
                    for leaf in self._leaves
                ],
            },
            separators=(",", ":"),
        )


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
