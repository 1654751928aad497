"""What an operator shows of a group: its seats, which are its own, and how the store stands."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from offchain.storage.ports import ShardStore, StorageLedger
from offchain.storage.scrub import ScrubReport


@dataclass(frozen=True, slots=True)
class DescribeSeat:
    """Reads the chain and the store; `scrub` is the last finished round, if there is one."""

    operator: int
    ledger: StorageLedger
    store: ShardStore
    scrub: Callable[[], ScrubReport | None] = lambda: None

    async def group(self, number: int) -> Mapping[str, object]:
        """Raises: NotFound."""
        head = await asyncio.to_thread(self.ledger.head)
        group = await asyncio.to_thread(self.ledger.group, number, at=head.hash)
        report = self.scrub()
        return {
            "group": group.group,
            "profile": group.profile.name,
            "state": group.state.name,
            "block": head.number,
            "operator": self.operator,
            "seats": [
                {
                    "seat": one.seat,
                    "operator": one.operator,
                    "state": one.state.name,
                    "successor": one.successor,
                    "is_own": one.operator == self.operator,
                }
                for one in group.seats
            ],
            "kept_bytes": self.store.kept_bytes(),
            "scrub": None
            if report is None
            else {
                "healthy": report.is_healthy,
                "sick": len(report.sick),
                "outcomes": {one.value: count for one, count in report.outcomes.items()},
            },
        }
