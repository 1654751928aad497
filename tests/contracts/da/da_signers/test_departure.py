"""Whoever goes stays liable: no way out pays before the last blob it signed is over (INV-DA-9).

The worst case each time: it goes at the first moment at which the coming table is fixed with it in;
that table serves two epochs; the last blob in them has the longest retention.
"""

from collections.abc import Callable

import boa
import pytest

from tests.support.da import (
    TERMS,
    WINDOWS,
    DaSite,
    a_blob,
    ballot,
    confirm,
    draw,
    mine_entropy,
    pay,
)
from tests.support.staking import COIN, DA, AnOperator

TOMBSTONE = 2**256 - 1
Go = Callable[[DaSite, AnOperator, str], int]


def leave(site: DaSite, operator: AnOperator, _: str) -> int:
    site.stake.leave(DA, sender=operator.owner)
    ticket = ticket_of(site)
    site.signers.leave(sender=operator.owner)
    return ticket


def be_evicted(site: DaSite, operator: AnOperator, stranger: str) -> int:
    site.stake.leave(DA, sender=operator.owner)
    ticket = ticket_of(site)
    site.signers.evict(operator.operator_id, sender=stranger)
    return ticket


def take_all_out(site: DaSite, operator: AnOperator, _: str) -> int:
    return int(site.stake.exit_own(DA, 100 * COIN, sender=operator.owner))


def be_tombstoned(site: DaSite, operator: AnOperator, stranger: str) -> int:
    pool, epoch = operator.pool(DA), site.stake.current_epoch()
    site.stake.slash(pool, epoch, 0, TOMBSTONE, sender=site.court.address)
    site.stake.force_exit(pool, sender=stranger)
    return ticket_of(site)


def ticket_of(site: DaSite) -> int:
    """The ticket that the last call of StakeManager gave out."""
    [event] = [one for one in site.stake.get_logs() if type(one).__name__ == "ExitRequested"]
    return int(event.ticket)


GOING: dict[str, Go] = {
    "leave": leave,
    "evict": be_evicted,
    "exit": take_all_out,
    "tombstone": be_tombstoned,
}


@pytest.mark.parametrize("way", GOING)
def test_inv_da_9__goes_with_its_last_table__not_a_wei_before_its_last_blob_is_over(
    site: DaSite, stranger: str, way: str
) -> None:
    leaver = site.operators[1]
    table_epoch = site.stake.current_epoch() + 1
    boa.env.timestamp = site.stake.epoch_cutoff(table_epoch)
    ticket = GOING[way](site, leaver, stranger)
    boa.env.timestamp = site.stake.epoch_start(table_epoch)
    assert draw(site) == table_epoch
    boa.env.timestamp = site.stake.epoch_start(table_epoch + 2) - 1
    expiry = confirmed_until(site, leaver, table_epoch)

    over = expiry + 2 * WINDOWS.answer + WINDOWS.veto
    due = site.stake.matures_at(ticket)
    assert over <= due
    for moment in (expiry, over, due - 1):
        boa.env.timestamp = moment
        held = boa.env.get_balance(site.stake.address)
        with boa.reverts("stake_ledger: not matured"):
            site.stake.withdraw(ticket, leaver.owner, sender=leaver.owner)
        assert boa.env.get_balance(site.stake.address) == held
        assert site.stake.exposed(leaver.pool(DA), table_epoch) == 100 * COIN
    boa.env.timestamp = due
    assert site.stake.withdraw(ticket, leaver.owner, sender=leaver.owner) == 100 * COIN


def confirmed_until(site: DaSite, signer: AnOperator, table_epoch: int) -> int:
    """Pay for the longest retention and have everybody sign, the signer too; the blob's expiry."""
    owner = site.operators[0].owner
    blob = a_blob(owner, owner, retention_days=TERMS.max_retention_days)
    identifier = pay(site, blob)
    vote = ballot(site, blob, mine_entropy(site, identifier))
    assert vote.record.epoch == table_epoch
    assert signer.operator_id in [one.operator_id for one in vote.quorum.signers]
    confirm(site, blob, vote.certificate())
    record = site.record(identifier)
    assert record.state.name == "CONFIRMED"
    return int(record.expiry)
