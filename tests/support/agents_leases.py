"""AgentLeases on the collection of tests/support/agents.py: owners, renters, buyers of clones."""

from dataclasses import dataclass, replace
from typing import Any

import boa

from offchain.agents.seal import public_key_of
from offchain.core.hashing import keccak
from tests.support.agents import (
    NOBODY,
    Piece,
    TokenSite,
    a_proof,
    agents_contract,
    deploy_tokens,
)

DAY = 86_400
DELIVER, OBJECT = 1_800, DAY
PRICE, FEE = 10**12, 10**18  # wei a second, wei a clone
HOUR = 3_600
KEY = public_key_of(keccak(b"one-time key"))


@dataclass(frozen=True, slots=True)
class LeaseSite:
    """`leases` is wired as the collection's; everybody pays in the chain's coin."""

    tokens: TokenSite
    leases: Any

    @property
    def nft(self) -> Any:
        return self.tokens.nft

    def offer(self, token: int, **changes: Any) -> None:
        """The owner lets it for an hour at least, a day at most."""
        terms = {
            "price": PRICE,
            "currency": NOBODY,
            "shortest": HOUR,
            "longest": DAY,
            "expiry": boa.env.timestamp + 30 * DAY,
        } | changes
        self.leases.set_rent(token, tuple(terms.values()), sender=self.nft.ownerOf(token))

    def rent(self, token: int, renter: str, *, seconds: int = 2 * HOUR) -> int:
        boa.env.set_balance(renter, 10**20)
        terms, value = self.leases.rent_of(token), seconds * PRICE
        return int(self.leases.rent(token, seconds, terms, value=value, sender=renter))

    def license(self, token: int, **changes: Any) -> None:
        """The owner sells two clones."""
        terms = {
            "max_clones": 2,
            "fee": FEE,
            "currency": NOBODY,
            "royalty_bps": 700,
            "may_clone_again": True,
            "expiry": boa.env.timestamp + 30 * DAY,
        } | changes
        self.leases.set_licence(token, tuple(terms.values()), sender=self.nft.ownerOf(token))

    def order(self, token: int, buyer: str, *, fee: int = FEE) -> int:
        boa.env.set_balance(buyer, 10**20)
        licence, data = self.leases.licence_of(token), self.nft.data_root(token)
        return int(self.leases.order_clone(token, KEY, licence, data, value=fee, sender=buyer))

    def deliver(self, order: int, piece: Piece, *, by: str) -> tuple[int, bytes]:
        """The clone's id and the digest of its delivery."""
        proof = a_proof(piece, replace(piece, turn=piece.turn + 1 + order))
        clone = int(self.leases.deliver_clone(order, [proof], sender=by))
        return clone, keccak(proof[1][6])

    def move(self, token: int, piece: Piece, to: str) -> Piece:
        later = replace(piece, turn=piece.turn + 50)
        owner = self.nft.ownerOf(token)
        self.nft.iTransfer(to, token, [a_proof(piece, later)], sender=owner)
        return later

    def credit(self, account: str) -> int:
        return int(self.leases.credit_of(account, NOBODY))


def deploy_leases() -> LeaseSite:
    tokens = deploy_tokens(is_wired=False)
    leases = agents_contract("AgentLeases").deploy(tokens.nft.address, DELIVER, OBJECT)
    tokens.nft.wire(leases.address, tokens.account.address, sender=tokens.governance)
    return LeaseSite(tokens, leases)


def picture(site: LeaseSite, *accounts: str) -> tuple[Any, ...]:
    """Everything that a call could move."""
    leases, nft = site.leases, site.nft
    return (
        nft.totalSupply(),
        [
            (
                leases.rent_of(token),
                leases.licence_of(token),
                leases.clones_of(token),
                nft.authorizedUsersOf(token),
            )
            for token in range(1, nft.totalSupply() + 1)
        ],
        [leases.lease(one) for one in range(leases.lease_count() + 1)],
        [leases.order(one) for one in range(leases.order_count() + 1)],
        [site.credit(one) for one in accounts],
        boa.env.get_balance(leases.address),
    )
