"""A site whose sampler may pay, and a blob to sample."""

from collections.abc import Iterator
from contextlib import contextmanager

import boa
import pytest

from tests.contracts.da.conftest import Refused, picture
from tests.support.da import DaSite
from tests.support.da_sampling import SampledBlob, a_sampled_blob, set_prevrandao, wire_sampling


@pytest.fixture
def sampling_site(site: DaSite) -> Iterator[DaSite]:
    set_prevrandao(bytes(31) + b"\x07")
    wire_sampling(site)
    yield site
    set_prevrandao(bytes(32))


@pytest.fixture
def sampled(sampling_site: DaSite) -> SampledBlob:
    """A confirmed blob of 32 columns that everybody has signed, in an open round."""
    sampled = a_sampled_blob(sampling_site)
    sampling_site.sampling.open_round()
    return sampled


@pytest.fixture
def refused(sampling_site: DaSite) -> Refused:
    """The call inside reverts with exactly this reason; no money and no round moves."""

    @contextmanager
    def check(reason: str) -> Iterator[None]:
        before = picture(sampling_site), tuple(sampling_site.sampling.round())
        with boa.reverts(reason):
            yield
        assert before == (picture(sampling_site), tuple(sampling_site.sampling.round()))

    return check
