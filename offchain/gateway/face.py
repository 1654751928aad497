"""What the gateway's routes stand in front of."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from fastapi import Request

from offchain.da.read_part import PartReader
from offchain.gateway.access import ApiKey, KeyFinder
from offchain.gateway.body import BodyRules
from offchain.gateway.compute_face import ComputeFace
from offchain.gateway.metrics import Metrics
from offchain.gateway.model import Quote, Sample
from offchain.gateway.publish import PublishDesk
from offchain.gateway.room import Room
from offchain.gateway.standing import Standings
from offchain.gateway.storage_door import StorageDoor
from offchain.node.peer_limits import PeerLimits

Readiness = Callable[[], Awaitable[str | None]]  # None: ready; otherwise why not
Quoting = Callable[[int, int], Quote]  # of (length, days), at the newest block; blocking
Sampling = Callable[[bytes, float], Awaitable[Sample]]  # of (blob id, confidence)


@dataclass(frozen=True, slots=True)
class FaceRules:
    """`requests`: at the same time. `uploads`, `upload_bytes`: bodies being read.
    `reads`, `read_bytes`: answers with bytes of blobs in memory. `body`: time for an upload.
    `send_seconds`, `send_rate`: an answer is taken after so long, and so many bytes a second.
    """

    requests: int = 4_096
    uploads: int = 2_048
    upload_bytes: int = 96_000_000
    reads: int = 32
    read_bytes: int = 128_000_000
    samples: int = 4
    body: BodyRules = field(default_factory=BodyRules)
    send_seconds: float = 10.0
    send_rate: int = 1 << 18


@dataclass(slots=True)
class GatewayFace:
    """Everything a route may use."""

    desk: PublishDesk
    reader: PartReader
    standings: Standings
    quote: Quoting
    sample: Sampling
    key: ApiKey
    limits: PeerLimits
    readiness: Readiness
    keys: KeyFinder | None = None
    compute: ComputeFace | None = None
    storage: StorageDoor | None = None
    rules: FaceRules = field(default_factory=FaceRules)
    metrics: Metrics = field(default_factory=Metrics)
    uploads: Room = field(init=False)
    reads: Room = field(init=False)
    samples: Room = field(init=False)

    def __post_init__(self) -> None:
        rules = self.rules
        self.uploads = Room("uploads", rules.uploads, rules.upload_bytes)
        self.reads = Room("reads", rules.reads, rules.read_bytes)
        self.samples = Room("samples", rules.samples, rules.read_bytes)

    def admit(self, request: Request) -> None:
        """Count a request against its peer's rate. Raises: RateLimited."""
        self.limits.require(request.client.host if request.client else "unknown")

    def gauges(self) -> dict[str, int]:
        return {
            "uploads_under_way": self.uploads.count,
            "upload_bytes_under_way": self.uploads.bytes,
            "reads_under_way": self.reads.count,
            "blobs_under_way": self.desk.open_blobs(),
        }
