"""A quorum says that collateral is revoked, or that platforms must be newer."""

import boa

from offchain.attestation.notice import TYPES, Notice, NoticeKind, posting_of
from offchain.attestation.relay_ports import Bench, Committee
from offchain.chain.model import Block, BlockHash
from offchain.core.hashing import keccak
from offchain.core.typed_data import domain_of, typed_digest
from offchain.core.units import BlockNumber
from tests.contracts.attestation.conftest import Unmoved
from tests.support.attestation import (
    COLLATERAL,
    GRACE,
    LIFE,
    AttestationSite,
    hex_of,
    relayer_key,
    sign,
    subject_key,
    vouch,
)
from tests.support.staking import next_epoch

KEY = hex_of(subject_key().address)
LIVE, IN_GRACE, SUSPENDED, REVOKED = 1, 2, 4, 16
COLLATERAL_TYPE = keccak(b"CollateralNotice(bytes32 collateralHash,uint64 epoch)")
EVALUATION_TYPE = keccak(b"EvaluationNotice(uint32 number,uint64 epoch)")


def signed(site: AttestationSite, kind: bytes, what: int | bytes, seats: int = 0b111) -> bytes:
    told = site.domain()
    separator = domain_of(
        "Apogee AttestationRegistry", "1", chain_id=told.chain_id, contract=told.registry
    )
    [name] = [one for one, tag in TYPES.items() if tag == kind]
    digest = typed_digest(separator, kind, what, site.epoch)
    assert digest == Notice(name, what).digest(told, site.epoch)
    return sign(site, typed_digest(separator, kind, what, site.epoch), site.epoch, seats)


def revoke(site: AttestationSite, what: bytes = COLLATERAL) -> None:
    signatures = signed(site, COLLATERAL_TYPE, what)
    site.registry.revoke_collateral(what, site.epoch, 0b111, signatures)


def raise_to(site: AttestationSite, number: int) -> None:
    signatures = signed(site, EVALUATION_TYPE, number)
    site.registry.raise_evaluation(number, site.epoch, 0b111, signatures)


def test_inv_att_9__revoked_collateral__ends_every_verdict_on_it(site: AttestationSite) -> None:
    first = vouch(site)
    other = vouch(site, subject_key("other"), collateral_hash=keccak(b"other collateral"))

    revoke(site)

    assert site.registry.is_collateral_revoked(COLLATERAL)
    assert site.registry.verdict(first.id).state == REVOKED
    assert site.registry.level(KEY, boa.env.timestamp) == 0
    assert site.registry.verdict(other.id).state == LIVE


def test_inv_att_9__collateral_with_the_mark_of_a_revoked_one__is_not_revoked(
    site: AttestationSite,
) -> None:
    revoked, twin, stranger = (
        bytes(32),
        (1 << 181).to_bytes(32, "big"),
        (1 << 167).to_bytes(32, "big"),  # two of its three bits are the revoked one's
    )
    one = vouch(site, subject_key("twin"), collateral_hash=twin)
    other = vouch(site, subject_key("other"), collateral_hash=stranger)

    revoke(site, revoked)  # its mark is the twin's: the same lowest 21 of the kept bits

    assert site.registry.is_collateral_revoked(revoked)
    assert not site.registry.is_collateral_revoked(twin)
    assert site.registry.verdict(one.id).state == LIVE
    revoke(site, twin)
    assert site.registry.verdict(one.id).state == REVOKED
    assert site.registry.verdict(other.id).state == LIVE


def test_revoke_collateral__used_or_said_again__refused(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    revoke(site)

    with unmoved("notices: revoked already"):
        revoke(site)
    with unmoved("attestation: revoked collateral"):
        vouch(site)


def test_revoke_collateral__two_seats__refused(site: AttestationSite, unmoved: Unmoved) -> None:
    signatures = signed(site, COLLATERAL_TYPE, COLLATERAL, 0b11)

    with unmoved("committees: quorum not reached"):
        site.registry.revoke_collateral(COLLATERAL, site.epoch, 0b11, signatures)


def test_raise_evaluation__older_platform__has_its_grace_and_is_suspended(
    site: AttestationSite,
) -> None:
    old = vouch(site, tcb_eval_number=17)
    new = vouch(site, subject_key("other"), tcb_eval_number=18)

    raise_to(site, 18)

    binds = boa.env.timestamp + GRACE
    assert site.registry.min_eval_number() == (0, 18, binds)
    assert site.registry.verdict(old.id).state == IN_GRACE
    assert site.registry.level(KEY, boa.env.timestamp) == 2
    assert site.registry.live(KEY, boa.env.timestamp).until == old.verdict.not_after
    boa.env.timestamp = binds
    assert site.registry.min_eval_number() == (18, 18, 0)
    assert not site.registry.stood(old.id, binds)
    assert site.registry.stood(new.id, new.verdict.not_after)


def test_raise_evaluation__another_announced_later__what_was_right_before_stays_right(
    site: AttestationSite,
) -> None:
    raise_to(site, 17)
    boa.env.time_travel(seconds=GRACE)
    site.draw()
    raise_to(site, 18)
    boa.env.time_travel(seconds=GRACE - 200)
    site.draw()
    old, served = vouch(site, tcb_eval_number=17), boa.env.timestamp
    binds = site.registry.min_eval_number()[2]
    boa.env.timestamp = binds
    site.draw()

    raise_to(site, 19)

    assert site.registry.stood(old.id, served)
    assert site.registry.stood(old.id, binds - 1)
    assert not site.registry.stood(old.id, binds)


def test_raise_evaluation__verdict_that_outlives_the_grace__is_suspended(
    site: AttestationSite,
) -> None:
    raise_to(site, 18)
    boa.env.time_travel(seconds=GRACE - 200)
    site.draw()
    old = vouch(site, tcb_eval_number=17)
    binds = site.registry.min_eval_number()[2]

    assert site.registry.live(KEY, boa.env.timestamp).until == binds - 1
    boa.env.timestamp = binds
    assert site.registry.verdict(old.id).state == SUSPENDED
    assert site.registry.level(KEY, binds) == 0
    site.draw()
    vouch(site, tcb_eval_number=18)
    assert site.registry.level(KEY, boa.env.timestamp) == 2


def test_raise_evaluation__bound__refuses_older_platforms(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    raise_to(site, 18)
    boa.env.time_travel(seconds=GRACE)
    site.draw()

    with unmoved("attestation: old platform"):
        vouch(site, tcb_eval_number=17)


def test_raise_evaluation__collected_of_the_committee__suspends_a_quote_that_was_right(
    site: AttestationSite,
) -> None:
    good = vouch(site, tcb_eval_number=17)
    notice, told = Notice(NoticeKind.RAISE_EVALUATION, 18), site.domain()
    members = tuple(site.registry.committee(site.epoch))
    block = Block(BlockNumber(1), BlockHash(bytes(32)), BlockHash(bytes(32)), 0, 0, 0)
    bench = Bench(block, told, (Committee(site.epoch, members),), {}, {}, LIFE)
    digest = notice.digest(told, site.epoch)
    signed = {member: relayer_key(member).sign_digest(digest) for member in members[1:4]}
    assert posting_of(notice, dict(list(signed.items())[:2]), site.epoch, bench) is None

    posting = posting_of(notice, signed, site.epoch, bench)
    assert posting is not None
    packed = b"".join(posting.signatures)
    site.registry.raise_evaluation(18, posting.epoch, posting.seats, packed)

    assert site.registry.verdict(good.id).state == IN_GRACE
    until = site.registry.live(KEY, boa.env.timestamp).until
    assert until <= boa.env.timestamp + GRACE
    assert site.registry.level(KEY, boa.env.timestamp) != 0
    boa.env.time_travel(seconds=GRACE)
    assert site.registry.level(KEY, boa.env.timestamp) == 0


def test_raise_evaluation__while_one_waits_or_not_higher__refused(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    raise_to(site, 18)
    with unmoved("notices: another one waits"):
        raise_to(site, 19)
    boa.env.time_travel(seconds=GRACE)
    next_epoch()
    site.draw()

    with unmoved("notices: not higher"):
        raise_to(site, 18)
    revoke(site)
    raise_to(site, 19)
    assert site.registry.is_collateral_revoked(COLLATERAL)
    assert site.registry.min_eval_number()[:2] == (18, 19)
