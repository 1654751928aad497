"""One collection for all of its tests; a test leaves no trace."""

from collections.abc import Iterator

import boa
import pytest

from tests.support.agents import Piece, TokenSite, deploy_tokens, picture
from tests.support.native_evm import keep_moment, return_to
from tests.support.refusal import Refused, refusing
from tests.support.staking import a_wallet


@pytest.fixture(scope="session")
def collection(native_evm: None) -> Iterator[TokenSite]:
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_tokens()
        keep_moment("agent tokens")
        yield site


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, collection: TokenSite) -> None:
    return_to("agent tokens")


@pytest.fixture
def site(collection: TokenSite) -> TokenSite:
    return collection


@pytest.fixture
def owner() -> str:
    return a_wallet("owner")


@pytest.fixture
def receiver() -> str:
    return a_wallet("receiver")


@pytest.fixture
def stranger() -> str:
    return a_wallet("stranger")


@pytest.fixture
def piece() -> Piece:
    return Piece("memory")


@pytest.fixture
def token(site: TokenSite, owner: str, piece: Piece) -> int:
    """One token with one entry, of the owner."""
    return site.mint(owner, piece, royalty=500)


@pytest.fixture
def plain(site: TokenSite, owner: str) -> int:
    """A token without data."""
    return site.mint(owner)


@pytest.fixture
def unmoved(site: TokenSite) -> Refused:
    return refusing(lambda: picture(site, range(1, site.nft.totalSupply() + 1)))
