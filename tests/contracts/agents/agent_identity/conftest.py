"""The registries that the tests of reputation have."""

from tests.contracts.agents.agent_reputation.conftest import (
    at_its_moment,
    client,
    other,
    refused,
    site,
    unused_registries,
)

__all__ = ["at_its_moment", "client", "other", "refused", "site", "unused_registries"]
