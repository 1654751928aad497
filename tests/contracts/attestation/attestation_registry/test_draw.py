"""Who judges an epoch's evidence is drawn; whoever shows it chooses nothing."""

from dataclasses import replace

import boa

from offchain.attestation.draw import draw_relayers, seed_of
from tests.contracts.attestation.conftest import Unmoved
from tests.support.attestation import AttestationSite, deploy_registry, vouch
from tests.support.staking import RELAYER, next_epoch


def test_draw__shown_as_the_model_says__seats_those(site: AttestationSite) -> None:
    next_epoch()
    epoch = site.draw()

    tree = site.beacon_site.tree(epoch)
    seed = seed_of(bytes(site.beacon_site.beacon.randomness(epoch)))
    drawn = draw_relayers(seed, tree)
    assert tuple(site.registry.committee(epoch)) == drawn.members
    assert not site.registry.committee(epoch + 1)


def test_draw__twice__refused(site: AttestationSite, unmoved: Unmoved) -> None:
    with unmoved("committees: drawn already"):
        site.draw()


def test_draw__epoch_that_is_over_or_not_begun__refused(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    shown = site.shown(site.epoch)
    for epoch in (site.epoch + 1, site.epoch - 2):
        with unmoved("committees: not a recent epoch"):
            site.registry.draw(epoch, shown)


def test_draw__another_candidate_or_one_too_few__refused(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    next_epoch()
    shown = site.shown(site.epoch)

    other = next(one for one in shown if one[0] != shown[0][0])
    with unmoved("committees: another is drawn"):
        site.registry.draw(site.epoch, [other, *shown[1:]])
    with unmoved("committees: candidate missing"):
        site.registry.draw(site.epoch, shown[:1])


def test_draw__everybody_found__shows_no_more(site: AttestationSite) -> None:
    alone = replace(site, registry=deploy_registry(site.beacon_site))
    shown = alone.shown(alone.epoch)
    found = [len({one[0] for one in shown[: count + 1]}) for count in range(len(shown))]
    until = found.index(max(found)) + 1

    alone.registry.draw(alone.epoch, shown[:until])

    assert len(alone.registry.committee(alone.epoch)) == max(found)


def test_draw__two_relayers__too_few(site: AttestationSite) -> None:
    for one in site.relayers[:3]:
        site.stake.leave(RELAYER, sender=one.owner)
    next_epoch(2)

    with boa.reverts("committees: too few relayers"):
        site.draw()


def test_draw__member_that_left_meanwhile__has_no_key(
    site: AttestationSite, unmoved: Unmoved
) -> None:
    next_epoch()
    epoch, shown = site.epoch, site.shown(site.epoch)
    gone = next(one for one in site.relayers if one.operator_id == shown[0][0])
    site.stake.leave(RELAYER, sender=gone.owner)
    site.registry.draw(epoch, shown)
    members = list(site.registry.committee(epoch))
    assert members[0] == gone.operator_id

    with unmoved("committees: not eligible"):
        vouch(site)
