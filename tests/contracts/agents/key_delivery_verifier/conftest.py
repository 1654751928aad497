"""A verifier with enrolled oracles; a test leaves no trace."""

from tests.support.agents_delivery_fixtures import at_its_moment, site, stranger, unmoved

__all__ = ["at_its_moment", "site", "stranger", "unmoved"]
