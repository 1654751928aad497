"""What attestation needs from outside: the vendor's verification library, and an enclave.

Both are synchronous: verification is about a millisecond, an enclave writes and reads a file.
"""

from dataclasses import dataclass
from typing import Protocol

from offchain.attestation.model import Quote, TcbStatus


@dataclass(frozen=True, slots=True)
class LibraryClaims:
    """What the library concluded from chains, revocation lists, TCB info and QE identity.

    Statuses are kept apart: `status` merges platform, TDX module and quoting enclave, but hides an
    enclave that needs configuration. `root_key` is x then y of the key that the chain ends in.
    `issued_at` is the older of TCB info and QE identity, `usable_until` the earliest end of any
    certificate, list or document.
    """

    status: TcbStatus
    platform_status: TcbStatus
    qe_status: TcbStatus
    advisories: tuple[str, ...]
    tcb_eval_number: int
    qe_eval_number: int
    fmspc: bytes
    pck_pce_id: bytes
    tcb_pce_id: bytes
    root_key: bytes
    issued_at: int
    usable_until: int


class QuoteLibrary(Protocol):
    """Step 1 of verification: everything that the vendor's documents and keys decide."""

    @property
    def root(self) -> bytes:
        """The root certificate it trusts, DER."""
        ...

    def verify(self, quote: Quote, collateral: str, *, now: int) -> LibraryClaims:
        """Check a canonical quote against collateral at a moment.

        Raises: EvidenceRefused; a message without a word here is QuoteRejected with its text.
        """
        ...


class Enclave(Protocol):
    """Where measured code runs: it makes quotes over what the code asks for."""

    @property
    def event_log(self) -> str:
        """The boot and runtime events, as JSON text; replayed they give the RTMRs."""
        ...

    @property
    def compose(self) -> str:
        """The text whose hash is in mr_config_id."""
        ...

    def quote(self, report_data: bytes) -> bytes:
        """A canonical quote with these 64 bytes. Raises: EnclaveUnavailable."""
        ...

    def collateral(self, now: int) -> str:
        """The vendor's documents for this platform, JSON text. Raises: EnclaveUnavailable."""
        ...

    def gpu_evidence(self, report_data: bytes) -> str:
        """GPU evidence with nonce sha256(report_data), JSON text; empty without a GPU."""
        ...
