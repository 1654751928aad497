"""Rows from whoever holds them: owners first, and when they fail, heirs that took their place.

Nobody has to know which signers are gone: every signer of the quorum is asked what it holds, rows
are asked of the first heir in their lot's order who says it has them, and of the next when he does
not deliver. What comes is verified and blamed like any other row.
Source: docs/protocol/da.md#repair-and-churn.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import Final

from offchain.core.errors import ApogeeError
from offchain.da.duties import Duties, Duty, rows_in_bitmap
from offchain.da.errors import InsufficientRows
from offchain.da.fetch import FetchRows, RowHunt
from offchain.da.heirs import heirs_in_order, lots_of
from offchain.da.ports import NodeClient

AT_ONCE: Final = 32
HAVE_SECONDS: Final = 5.0
Holdings = dict[int, frozenset[int]]  # the rows that each operator says it holds


async def gather_anywhere(
    client: NodeClient,
    fetch: FetchRows,
    hunt: RowHunt,
    *,
    needed: int,
    on_rows: Callable[[int], None] = lambda _: None,
) -> None:
    """Fill `hunt.rows` with at least `needed` rows, from owners and then from heirs.

    `hunt.duties` is the quorum's again afterwards. Raises: BottomProven; InsufficientRows when
    nobody is left to ask.
    """
    quorum = hunt.duties
    holdings: Holdings | None = None
    try:
        while True:
            try:
                await fetch.gather(hunt, needed=needed, on_rows=on_rows)
            except InsufficientRows:
                if holdings is None:
                    holdings = await ask_holdings(client, hunt.blob_id, quorum.members)
                else:
                    _believe_less(holdings, hunt)
                missing = _missing(quorum, hunt.rows)
                hunt.duties = offers_among(quorum, holdings, missing=missing)
                if not hunt.duties.members:
                    raise
            else:
                return
    finally:
        hunt.duties = quorum


async def gather_copies(
    fetch: FetchRows, hunt: RowHunt, holdings: Holdings, wanted: frozenset[int]
) -> None:
    """As many of the wanted rows as those who say they hold them deliver; owners first.

    `hunt.duties` is the quorum's again afterwards. Raises: BottomProven.
    """
    quorum = hunt.duties
    try:
        while True:
            missing = wanted - hunt.rows.keys()
            hunt.duties = offers_among(quorum, holdings, missing=missing, with_owners=True)
            offered = sum(len(duty.rows) for duty in hunt.duties.members)
            if offered == 0:
                return
            with suppress(InsufficientRows):
                await fetch.gather(hunt, needed=len(hunt.rows) + offered)
            _believe_less(holdings, hunt)
    finally:
        hunt.duties = quorum


async def offers_of(
    client: NodeClient, blob_id: bytes, duties: Duties, rows: Collection[int]
) -> Duties:
    """The heirs who say they hold these rows, each row once, as duties of a reader's plan."""
    holdings = await ask_holdings(client, blob_id, duties.members)
    return offers_among(duties, holdings, missing=frozenset(rows))


async def ask_holdings(
    client: NodeClient, blob_id: bytes, members: Iterable[Duty], *, at_once: int = AT_ONCE
) -> Holdings:
    """What each of these signers says it holds; nothing for one that does not answer."""
    room = asyncio.Semaphore(at_once)

    async def ask(duty: Duty) -> tuple[int, frozenset[int]]:
        async with room:
            try:
                async with asyncio.timeout(HAVE_SECONDS):
                    bitmap = await client.have(duty.endpoint, blob_id)
            except (ApogeeError, TimeoutError):
                return duty.operator, frozenset()
            return duty.operator, rows_in_bitmap(bitmap)

    return dict(await asyncio.gather(*(ask(duty) for duty in members)))


def offers_among(
    duties: Duties, holdings: Holdings, *, missing: frozenset[int], with_owners: bool = False
) -> Duties:
    """Each missing row at the first heir in its lot's order who says it has it; pure.

    `with_owners` puts the owner at the head of the order.
    """
    offered: dict[int, list[int]] = {}
    missing &= frozenset().union(*holdings.values())
    for lot in lots_of(duties):
        wanted = missing.intersection(lot.rows)
        heirs = chain((lot.owner,) if with_owners else (), heirs_in_order(duties, lot))
        while wanted:
            heir = next(heirs, None)
            if heir is None:
                break
            found = wanted & holdings.get(heir.operator, frozenset())
            offered.setdefault(heir.operator, []).extend(found)
            wanted -= found
    members = tuple(
        replace(duty, rows=tuple(sorted(offered[duty.operator])))
        for duty in duties.members
        if offered.get(duty.operator)
    )
    return replace(duties, members=members)


def _missing(duties: Duties, have: Collection[int]) -> frozenset[int]:
    return frozenset(row for duty in duties.members for row in duty.rows if row not in have)


def _believe_less(holdings: Holdings, hunt: RowHunt) -> None:
    """Whoever offered a row and did not deliver it is not asked for it again."""
    for duty in hunt.duties.members:
        holdings[duty.operator] -= {row for row in duty.rows if row not in hunt.rows}
