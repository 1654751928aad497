"""How often one peer may ask: a token bucket each, for a bounded number of peers."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from offchain.node.errors import RateLimited


@dataclass(frozen=True, slots=True)
class PeerRate:
    """`per_second` requests on average, `burst` at once, `peers` remembered at most."""

    per_second: float = 200.0
    burst: int = 1_000
    peers: int = 4_096


class PeerLimits:
    """Counts requests by peer; the peer that was quiet longest is forgotten first."""

    def __init__(self, rate: PeerRate, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def require(self, peer: str) -> None:
        """Take one token. Raises: RateLimited when the peer has none left."""
        now = self._clock()
        tokens, seen = self._buckets.pop(peer, (float(self._rate.burst), now))
        tokens = min(float(self._rate.burst), tokens + (now - seen) * self._rate.per_second)
        is_allowed = tokens >= 1
        self._buckets[peer] = (tokens - 1 if is_allowed else tokens, now)
        if len(self._buckets) > self._rate.peers:
            self._buckets.popitem(last=False)
        if not is_allowed:
            raise RateLimited(per_second=self._rate.per_second)
