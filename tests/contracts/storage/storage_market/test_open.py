"""What a submission may cost is held, once, and only by the log's word."""

import boa

from offchain.storage.model import FileState
from tests.contracts.storage.storage_market.conftest import Refused
from tests.support.staking import EPOCH
from tests.support.storage import MarketSite, a_file
from tests.support.storage_log import submission_tuple, submit


def test_open__submitted__holds_the_maximum_and_sends_the_rest_back(
    site: MarketSite, owner: str
) -> None:
    submission = a_file(owner, max_cost=10**15)
    before = boa.env.get_balance(owner)

    submit(site.base, submission, value=3 * 10**15)

    file = site.market.file(site.id_of(submission))
    assert FileState(file.state) is FileState.SUBMITTED
    assert (10**15, before - 10**15) == (file.deposit, boa.env.get_balance(owner))
    assert boa.env.timestamp + 36 == file.deadline
    now = (boa.env.timestamp - site.clock().genesis) // EPOCH
    assert site.clock().start_of(now + 1 + submission.term_epochs) == file.end


def test_inv_sto_1__submitted_again__nothing_is_charged_twice(site: MarketSite, owner: str) -> None:
    submission = a_file(owner)
    submit(site.base, submission)
    before = boa.env.get_balance(owner), tuple(site.market.file(site.id_of(submission)))

    submit(site.base, submission)

    after = boa.env.get_balance(owner), tuple(site.market.file(site.id_of(submission)))
    assert before == after


def test_open__not_the_log__refused(
    site: MarketSite, owner: str, stranger: str, refused: Refused
) -> None:
    submission = submission_tuple(a_file(owner))

    with refused("storage_market: not the log"):
        site.market.open(bytes(32), submission, stranger, value=10**18, sender=stranger)


def test_open__known_id__refused(site: MarketSite, owner: str, refused: Refused) -> None:
    submission = a_file(owner)
    submit(site.base, submission)
    file_id, log = site.id_of(submission), site.base.log.address
    boa.env.set_balance(log, 10**18)

    with refused("file_records: open already", file_id):
        site.market.open(file_id, submission_tuple(submission), owner, value=10**17, sender=log)


def test_open__wrong_terms__refused_for_what_is_wrong(
    site: MarketSite, owner: str, refused: Refused
) -> None:
    cases = [
        ({"profile": 6}, "profiles: no such profile"),
        ({"term_epochs": 0}, "storage_market: wrong term"),
        ({"term_epochs": 10_951}, "storage_market: wrong term"),
        ({"max_cost": 0}, "storage_market: too little paid"),
        ({"max_cost": 2 * 10**17}, "storage_market: too little paid"),
        ({"max_cost": 2**88}, "file_records: deposit too large"),
    ]
    log = site.base.log.address
    boa.env.set_balance(log, 2**90)
    for changes, reason in cases:
        submission = a_file(owner, **changes)
        value = 2**88 if submission.max_cost == 2**88 else 10**17
        with refused(reason, site.id_of(submission)):
            site.market.open(
                site.id_of(submission),
                submission_tuple(submission),
                owner,
                value=value,
                sender=log,
            )
