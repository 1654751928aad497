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
    with refused("storage_market: not governance"):
        site.market.wire(site.proofs, sender=stranger)
    with refused("storage_market: wired already"):
        site.market.wire(site.proofs, sender=site.base.governance)


def test_wire__no_contract__refused(site: MarketSite, stranger: str) -> None:
    fresh = storage_deployer("StorageMarket").deploy(*around(site), stranger, windows())

    with boa.reverts("storage_market: no contract"):
        fresh.wire(NOBODY, sender=stranger)
    assert fresh.proofs() == NOBODY


def around(site: MarketSite) -> list[str]:
    """The contracts that a market is deployed on."""
    base = site.base
    return [
        base.log.address,
        site.seats.address,
        base.da.stake.address,
        base.da.beacon.address,
    ]


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
    with boa.reverts(reason):
        storage_deployer("StorageMarket").deploy(
            *around(site), site.base.governance, windows(**changes)
        )


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (0, "storage_market: no contract"),
        (1, "storage_market: no contract"),
        (2, "settlement: no contract"),
        (3, "placement: no contract"),
    ],
)
def test_deploy__no_contract__refused(site: MarketSite, place: int, reason: str) -> None:
    contracts = around(site)
    contracts[place] = NOBODY

    with boa.reverts(reason):
        storage_deployer("StorageMarket").deploy(*contracts, site.base.governance, windows())


def test_views__unknown_file__all_zero(site: MarketSite) -> None:
    unknown = b"\x07" * 32

    assert site.market.file(unknown).state == 0
    assert not site.market.is_live(unknown)
    assert site.market.duty(unknown).end == 0
    assert tuple(site.market.windows()) == (36, 6 * EPOCH, 2 * EPOCH)
