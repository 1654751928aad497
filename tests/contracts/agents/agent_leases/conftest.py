"""One collection and its leases for all of its tests; a test leaves no trace."""

from collections.abc import Iterator

import boa
import pytest

from tests.support.agents import Piece
from tests.support.agents_leases import LeaseSite, deploy_leases, picture
from tests.support.native_evm import keep_moment, return_to
from tests.support.refusal import Refused, refusing
from tests.support.staking import a_wallet


@pytest.fixture(scope="session")
def let_collection(native_evm: None) -> Iterator[LeaseSite]:
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_leases()
        keep_moment("agent leases")
        yield site


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, let_collection: LeaseSite) -> None:
    return_to("agent leases")


@pytest.fixture
def site(let_collection: LeaseSite) -> LeaseSite:
    return let_collection


@pytest.fixture
def creator() -> str:
    return a_wallet("creator")


@pytest.fixture
def owner() -> str:
    return a_wallet("owner")


@pytest.fixture
def renter() -> str:
    return a_wallet("renter")


@pytest.fixture
def buyer() -> str:
    return a_wallet("buyer")


@pytest.fixture
def stranger() -> str:
    return a_wallet("stranger")


@pytest.fixture
def piece() -> Piece:
    return Piece("memory")


@pytest.fixture
def token(site: LeaseSite, owner: str, creator: str, piece: Piece) -> int:
    """The owner's; its creator earns five per cent."""
    return site.tokens.mint(owner, piece, royalty=500, creator=creator)


@pytest.fixture
def unmoved(site: LeaseSite, owner: str, renter: str, buyer: str) -> Refused:
    return refusing(lambda: picture(site, owner, renter, buyer))
