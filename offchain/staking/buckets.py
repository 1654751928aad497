"""Money that asked to leave: buckets by day, tickets on them, blocks for closed generations.

Rounding: minted shares and payouts round down, burnt shares round up, the last holder of a bucket
or block takes the remainder.
Source: docs/protocol/staking.md#ledger, contracts/staking/exit_buckets.vy.
"""

from dataclasses import dataclass, field, replace

from offchain.staking.errors import MoneyReserved
from offchain.staking.model import CLOSING_SHIFT, MAX_LIVE_DAYS, PoolId, Ticket, TicketId, Tranche


@dataclass(slots=True)
class Part:
    """One tranche of one bucket in one generation."""

    assets: int = 0
    shares: int = 0


@dataclass(slots=True)
class Block:
    """Bucket shares of a whole closed generation, for its holders to turn into tickets."""

    pool_shares: int
    bucket_shares: int
    day: int
    generation: int


Key = tuple[PoolId, int, Tranche]


@dataclass(slots=True)
class Buckets:
    """Every bucket of every pool."""

    generations: dict[Key, int] = field(default_factory=dict)
    parts: dict[tuple[PoolId, int, Tranche, int], Part] = field(default_factory=dict)
    tickets: dict[TicketId, Ticket] = field(default_factory=dict)
    ticket_count: int = 0
    blocks: dict[tuple[PoolId, int], Block] = field(default_factory=dict)
    newest_day: dict[PoolId, int] = field(default_factory=dict)

    def enter(self, pool: PoolId, day: int, kind: Tranche, assets: int) -> tuple[int, int]:
        """Add money to a bucket; returns the shares minted and their generation."""
        generation = self.generations.setdefault((pool, day, kind), 0)
        part = self.parts.setdefault((pool, day, kind, generation), Part())
        minted = assets * part.shares // part.assets if part.shares else assets
        part.assets += assets
        part.shares += minted
        self.newest_day[pool] = day
        return minted, generation

    def open_ticket(self, ticket: Ticket) -> TicketId:
        self.ticket_count += 1
        number = TicketId(self.ticket_count)
        self.tickets[number] = ticket
        return number

    def take(self, number: TicketId, limit: int | None) -> int:
        """Pay a ticket, up to `limit` wei. Raises: MoneyReserved when nothing of it is free."""
        ticket = self.tickets[number]
        part = self._part_of(ticket)
        burnt = ticket.shares
        paid = part.assets * burnt // part.shares if part.shares else 0
        if limit is not None and paid > limit:
            if limit == 0:
                raise MoneyReserved(ticket=number, due=paid)
            paid = limit
            burnt = -(-paid * part.shares // part.assets)
        part.assets -= paid
        part.shares -= min(burnt, part.shares)
        if burnt == ticket.shares:
            del self.tickets[number]
        else:
            self.tickets[number] = replace(ticket, shares=ticket.shares - burnt)
        return paid

    def worth(self, ticket: Ticket) -> int:
        """What a ticket would be paid if nothing were reserved, wei."""
        part = self._part_of(ticket)
        return part.assets * ticket.shares // part.shares if part.shares else 0

    def held(self, pool: PoolId, first_day: int) -> tuple[int, int]:
        """Exposed wei in the buckets of `first_day` and later: own, delegated."""
        own = sum(part.assets for _, part in self.exposed_parts(pool, first_day, Tranche.OWN))
        parts = self.exposed_parts(pool, first_day, Tranche.DELEGATED)
        return own, sum(part.assets for _, part in parts)

    def cut(self, pool: PoolId, first_day: int, kind: Tranche, *, due: int, held: int) -> int:
        """Take a slash pro rata to `held`, newest first; returns what the active tranche owes."""
        for key, part in self.exposed_parts(pool, first_day, kind):
            taken = due * part.assets // held
            held -= part.assets
            due -= taken
            part.assets -= taken
            if taken and (part.assets == 0 or part.assets < part.shares >> CLOSING_SHIFT):
                self.generations[key] += 1
        return due

    def block(self, pool: PoolId, generation: int, day: int, *, assets: int, shares: int) -> None:
        """Move all of a generation's money to a bucket at once."""
        minted, bucket_generation = self.enter(pool, day, Tranche.DELEGATED, assets)
        self.blocks[pool, generation] = Block(shares, minted, day, bucket_generation)

    def unblock(self, pool: PoolId, generation: int, shares: int) -> tuple[int, int, int]:
        """Bucket shares for `shares` of a closed generation, their day and bucket generation."""
        block = self.blocks.get((pool, generation))
        if block is None or not block.pool_shares:
            return 0, 0, 0
        minted = block.bucket_shares * shares // block.pool_shares
        block.pool_shares -= shares
        block.bucket_shares -= minted
        return minted, block.day, block.generation

    def exposed_parts(self, pool: PoolId, first_day: int, kind: Tranche) -> list[tuple[Key, Part]]:
        """Open, non-empty parts a slash can reach, newest first."""
        newest = self.newest_day.get(pool, 0)
        days = range(newest, max(first_day, newest - MAX_LIVE_DAYS + 1) - 1, -1)
        found: list[tuple[Key, Part]] = []
        for day in days:
            generation = self.generations.get((pool, day, kind))
            if generation is None:
                continue
            part = self.parts.get((pool, day, kind, generation))
            if part is not None and part.assets:
                found.append(((pool, day, kind), part))
        return found

    def _part_of(self, ticket: Ticket) -> Part:
        key = (PoolId(ticket.pool), ticket.day, Tranche(ticket.kind), ticket.generation)
        return self.parts[key]
