"""How long others have been silent, as this node has seen it: the base of what it makes again.

A signer is down when nothing comes from its endpoint, and lacks a lot when it answers but does not
show it. Either counts only after several probes in a row over a long time of the chain's clock; one
good answer ends it. Kept in memory: after a restart patience begins anew, so repair may come late
and never early. Source: docs/protocol/da.md#repair-and-churn.
"""

from collections.abc import Collection
from dataclasses import dataclass

from offchain.da.heirs import Lot


@dataclass(frozen=True, slots=True)
class Patience:
    """Both must be reached: `seconds` of chain time since the first miss, and `probes` missed."""

    seconds: int = 3_600
    probes: int = 3


@dataclass(slots=True)
class _Miss:
    since: int
    probes: int = 1


Subject = tuple[object, ...]  # (operator) or (blob id, operator, lot)


class RollCall:
    """What was missed, by whom, since when."""

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._misses: dict[Subject, _Miss] = {}

    def answered(self, operator: int) -> None:
        """The signer's endpoint answers."""
        self._misses.pop((operator,), None)

    def unanswered(self, operator: int, now: int) -> None:
        """The signer's endpoint does not answer."""
        self._miss((operator,), now)

    def showed(self, blob_id: bytes, holder: int, lot: Lot) -> None:
        """The signer shows this lot."""
        self._misses.pop((blob_id, holder, lot.name), None)

    def lacked(self, blob_id: bytes, holder: int, lot: Lot, now: int) -> None:
        """The signer does not show this lot."""
        self._miss((blob_id, holder, lot.name), now)

    def is_down(self, operator: int, now: int) -> bool:
        return self._is_over((operator,), now)

    def lacks(self, blob_id: bytes, holder: int, lot: Lot, now: int) -> bool:
        return self._is_over((blob_id, holder, lot.name), now)

    def forget_blobs_but(self, blob_ids: Collection[bytes]) -> None:
        """Nothing is kept about blobs this node has nothing to do with any more."""
        self._misses = {
            subject: miss
            for subject, miss in self._misses.items()
            if len(subject) == 1 or subject[0] in blob_ids
        }

    def _miss(self, subject: Subject, now: int) -> None:
        known = self._misses.get(subject)
        if known is None or now < known.since:
            self._misses[subject] = _Miss(now)
        else:
            known.probes += 1

    def _is_over(self, subject: Subject, now: int) -> bool:
        miss = self._misses.get(subject)
        return (
            miss is not None
            and miss.probes >= self._patience.probes
            and now - miss.since >= self._patience.seconds
        )
