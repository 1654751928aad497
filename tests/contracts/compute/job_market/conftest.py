"""One market of jobs with three providers and eight auditors for all of its tests."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import boa
import pytest

from tests.support.job_market import JobSite, deploy_jobs, picture
from tests.support.native_evm import keep_moment, return_to
from tests.support.staking import a_wallet

Unmoved = Callable[[str], AbstractContextManager[None]]


@pytest.fixture(scope="session")
def job_market(native_evm: None) -> Iterator[JobSite]:
    boa.env.set_random_seed("a market of jobs")
    with boa.env.anchor():
        with boa.env.prank(boa.env.generate_address("deployer")):
            site = deploy_jobs()
        keep_moment("job market")
        yield site


@pytest.fixture(autouse=True)
def at_its_moment(fresh_state: None, job_market: JobSite) -> None:
    """Each test finds the clock as it was when the market was built."""
    return_to("job market")


@pytest.fixture
def site(job_market: JobSite) -> JobSite:
    return job_market


@pytest.fixture
def stranger() -> str:
    return a_wallet("stranger")


@pytest.fixture
def unmoved(site: JobSite) -> Unmoved:
    """The call inside reverts with exactly this reason and moves nothing."""

    @contextmanager
    def check(reason: str) -> Iterator[None]:
        before = picture(site)
        with boa.reverts(reason):
            yield
        assert before == picture(site)

    return check
