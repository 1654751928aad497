"""Oracles, and what the chain says of them, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from offchain.agents.oracle import Oracle
from offchain.agents.oracle_errors import OracleRefused, OracleSilent
from offchain.agents.oracle_ports import (
    Commitment,
    Derived,
    DeriveWish,
    OraclePlace,
    Order,
    Share,
    TokenView,
)
from offchain.core.errors import ApogeeError, NotFound


@dataclass(slots=True)
class MemoryOracles:
    """`Oracles` that are objects of this process; one that is `silent` does not answer."""

    oracles: dict[bytes, Oracle]
    silent: set[bytes] = field(default_factory=set)

    async def commit(self, place: OraclePlace, order: Order) -> Commitment:
        oracle = self._at(place)
        try:
            return await oracle.commit(order)
        except ApogeeError as error:
            raise _refused(place, error) from error

    async def share(
        self, place: OraclePlace, order: Order, commitments: Sequence[Commitment]
    ) -> Sequence[Share]:
        oracle = self._at(place)
        try:
            return await oracle.share(order, commitments)
        except ApogeeError as error:
            raise _refused(place, error) from error

    async def derive(
        self, place: OraclePlace, wish: DeriveWish, old_file: bytes
    ) -> tuple[Derived, bytes]:
        oracle = self._at(place)
        try:
            return await oracle.derive(wish, old_file)
        except ApogeeError as error:
            raise _refused(place, error) from error

    async def sign(self, place: OraclePlace, order: Order, location: bytes) -> bytes:
        oracle = self._at(place)
        try:
            return await oracle.sign(order, location)
        except ApogeeError as error:
            raise _refused(place, error) from error

    def _at(self, place: OraclePlace) -> Oracle:
        found = self.oracles.get(place.signer)
        if found is None or place.signer in self.silent:
            raise OracleSilent(endpoint=place.endpoint)
        return found


@dataclass(slots=True)
class MemoryOracleLedger:
    """`OracleLedger` of tokens, oracles and stored files that are put in by hand."""

    tokens: dict[tuple[bytes, int], TokenView] = field(default_factory=dict)
    places: dict[bytes, OraclePlace] = field(default_factory=dict)
    stored: dict[bytes, bytes] = field(default_factory=dict)

    def token(self, collection: bytes, token: int) -> TokenView:
        found = self.tokens.get((collection, token))
        if found is None:
            raise NotFound("no such token", token=token)
        return found

    def oracle(self, signer: bytes) -> OraclePlace | None:
        return self.places.get(signer)

    def stored_root(self, location: bytes) -> bytes | None:
        return self.stored.get(location)


def _refused(place: OraclePlace, error: ApogeeError) -> OracleRefused:
    return OracleRefused(endpoint=place.endpoint, status=0, remote_code=error.code)
