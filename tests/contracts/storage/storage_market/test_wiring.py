"""Who the market listens to is named once; there is nothing to pause."""

import boa
import pytest

from tests.contracts.storage.storage_market.conftest import Refused
from tests.support.staking import EPOCH
from tests.support.storage import MarketSite
from tests.support.storage_log import storage_deployer

NOBODY = "0x" + bytes(20).hex()


def test_wire__again_or_by_a_stranger__refused(
    site: MarketSite, stranger: str, refused: Refused
) -> None:
    pair = (site.seats.address, site.proofs)
    with refused("storage_market: not governance"):
        site.market.wire(*pair, sender=stranger)
    with refused("storage_market: wired already"):
        site.market.wire(*pair, sender=site.base.governance)


def test_wire__no_contract__refused(site: MarketSite, stranger: str) -> None:
    base = site.base
    fresh = storage_deployer("StorageMarket").deploy(
        base.log.address, base.da.stake.address, base.da.beacon.address, stranger, windows()
    )

    for pair in ((NOBODY, site.proofs), (site.proofs, NOBODY)):
        with boa.reverts("storage_market: no contract"):
            fresh.wire(*pair, sender=stranger)
    assert fresh.seats() == NOBODY


def windows(confirm: int = 36, grace: int = 6 * EPOCH, repair: int = 2) -> tuple[int, ...]:
    return confirm, grace, repair


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"confirm": 0}, "term_clock: bad window"),
        ({"repair": 0}, "term_clock: bad window"),
        ({"repair": 2**32}, "term_clock: bad window"),
        ({"grace": 2**32}, "term_clock: bad window"),
        ({"confirm": 6 * EPOCH}, "term_clock: bad window"),
        ({"grace": 6 * EPOCH + 1}, "term_clock: grace splits epochs"),
    ],
)
def test_deploy__bad_windows__refused(
    site: MarketSite, changes: dict[str, int], reason: str
) -> None:
    base = site.base
    with boa.reverts(reason):
        storage_deployer("StorageMarket").deploy(
            base.log.address,
            base.da.stake.address,
            base.da.beacon.address,
            base.governance,
            windows(**changes),
        )


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (0, "storage_market: no contract"),
        (1, "settlement: no contract"),
        (2, "placement: no contract"),
    ],
)
def test_deploy__no_contract__refused(site: MarketSite, place: int, reason: str) -> None:
    base = site.base
    around = [base.log.address, base.da.stake.address, base.da.beacon.address]
    around[place] = NOBODY

    with boa.reverts(reason):
        storage_deployer("StorageMarket").deploy(*around, base.governance, windows())


def test_views__unknown_file__all_zero(site: MarketSite) -> None:
    unknown = b"\x07" * 32

    assert site.market.file(unknown).state == 0
    assert not site.market.is_live(unknown)
    assert site.market.duty(unknown).end == 0
    assert tuple(site.market.windows()) == (36, 6 * EPOCH, 2 * EPOCH)
