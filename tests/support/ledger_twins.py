"""StakeManager and its Python twin, driven together and compared to the wei."""

from collections.abc import Callable
from typing import Any

import boa
import pytest
from boa import BoaError
from eth_utils import to_checksum_address

from offchain.chain.model import Address
from offchain.core.bls import aggregate_keys
from offchain.core.hashing import keccak
from offchain.staking.errors import StakingRefusal
from offchain.staking.ledger import StakeLedger
from offchain.staking.model import Clock, OperatorId, PoolId, Service, Terms, TicketId, pool_id
from tests.support.staking import (
    CUTOFF,
    DAY,
    EPOCH,
    TERMS,
    StakingSite,
    a_key,
    a_wallet,
    key_bytes,
    proof_of_possession,
)

IDENTITY = bytes(128)


def raw(account: str) -> Address:
    """An account as the model writes it."""
    return Address(bytes.fromhex(account[2:]))


def shown(account: Address) -> str:
    """An account as titanoboa writes it."""
    return to_checksum_address(account)


class LedgerTwins:
    """Both ledgers; each method calls both and demands the same answer or the same refusal."""

    def __init__(self, site: StakingSite, *, max_operators: int) -> None:
        self.site = site
        self.chain = site.stake
        genesis = site.registry.clock().genesis
        clock = Clock(genesis, EPOCH, CUTOFF, DAY)
        self.model = StakeLedger(clock, Terms(*TERMS), max_operators, boa.env.timestamp)
        self.keys: dict[bytes, int] = {}  # key hash -> number of the key
        self.snapshots: dict[int, bytes] = {}
        self.votes: dict[tuple[str, int, int], int] = {}

    # --- calls
    def register(self, owner: str, number: int) -> int | None:
        key = a_key(number)
        key_hash = keccak(key_bytes(key))
        self.keys[key_hash] = number
        proof = proof_of_possession(self.site, owner, key)
        return self._both(
            lambda: self.model.register(raw(owner), key_hash),
            lambda: self.site.registry.register(key_bytes(key), proof, sender=owner),
        )

    def rotate(self, owner: str, number: int) -> None:
        key = a_key(number)
        key_hash = keccak(key_bytes(key))
        self.keys[key_hash] = number
        proof = proof_of_possession(self.site, owner, key)
        self._both(
            lambda: self.model.rotate(raw(owner), key_hash),
            lambda: self.site.registry.rotate_key(key_bytes(key), proof, sender=owner),
        )

    def join(self, owner: str, service: Service, value: int, commission: int) -> None:
        self._both(
            lambda: self.model.join(raw(owner), service, commission_bps=commission, value=value),
            lambda: self.chain.join(service, commission, value=value, sender=owner),
        )

    def deposit(self, owner: str, service: Service, value: int) -> None:
        self._both(
            lambda: self.model.deposit(raw(owner), service, value),
            lambda: self.chain.deposit(service, value=value, sender=owner),
        )

    def exit_own(self, owner: str, service: Service, amount: int) -> int | None:
        return self._both(
            lambda: self.model.exit_own(raw(owner), service, amount),
            lambda: self.chain.exit_own(service, amount, sender=owner),
        )

    def leave(self, owner: str, service: Service) -> None:
        self._both(
            lambda: self.model.leave(raw(owner), service),
            lambda: self.chain.leave(service, sender=owner),
        )

    def unjail(self, owner: str, service: Service) -> None:
        self._both(
            lambda: self.model.unjail(raw(owner), service),
            lambda: self.chain.unjail(service, sender=owner),
        )

    def set_commission(self, owner: str, service: Service, bps: int) -> None:
        self._both(
            lambda: self.model.set_commission(raw(owner), service, bps),
            lambda: self.chain.set_commission(service, bps, sender=owner),
        )

    def delegate(self, account: str, pool: PoolId, value: int) -> int | None:
        return self._both(
            lambda: self.model.delegate(raw(account), pool, value=value),
            lambda: self.chain.delegate(pool, 0, value=value, sender=account),
        )

    def request_exit(self, account: str, pool: PoolId, shares: int, then: int) -> int | None:
        return self._both(
            lambda: self.model.request_exit(raw(account), pool, shares=shares, then=then),
            lambda: self.chain.request_exit(pool, shares, then, sender=account),
        )

    def withdraw(self, caller: str, ticket: int, to: str) -> int | None:
        return self._both(
            lambda: self.model.withdraw(raw(caller), TicketId(ticket)),
            lambda: self.chain.withdraw(ticket, to, sender=caller),
        )

    def redelegate(self, caller: str, ticket: int) -> int | None:
        return self._both(
            lambda: self.model.redelegate(TicketId(ticket)),
            lambda: self.chain.redelegate(ticket, sender=caller),
        )

    def force_exit(self, caller: str, pool: PoolId) -> None:
        self._both(
            lambda: self.model.force_exit(pool),
            lambda: self.chain.force_exit(pool, sender=caller),
        )

    def reweigh(self, caller: str, pool: PoolId) -> None:
        self._both(
            lambda: self.model.reweigh(pool),
            lambda: self.chain.reweigh(pool, sender=caller),
        )

    def reward(self, payer: str, pool: PoolId, value: int) -> None:
        self._both(
            lambda: self.model.reward(pool, value),
            lambda: self.chain.reward(pool, value=value, sender=payer),
        )

    def claim(self, account: str, pool: PoolId) -> int | None:
        return self._both(
            lambda: self.model.claim(raw(account), pool),
            lambda: self.chain.claim(pool, account, sender=account),
        )

    def court(self, name: str, *arguments: int) -> int | None:
        """Any call of the court, by its name."""
        return self._both(
            lambda: getattr(self.model, name)(*arguments),
            lambda: getattr(self.chain, name)(*arguments, sender=self.site.court),
        )

    def roll(self, seconds: int) -> None:
        boa.env.time_travel(seconds=seconds)
        self.model.now = boa.env.timestamp

    # --- comparison
    def compare_pool(self, pool: PoolId) -> None:
        expected = self.model.pool(pool)
        actual = self.chain.pool_state(pool)
        for name in expected.__dataclass_fields__:
            assert getattr(expected, name) == getattr(actual, name), name
        epoch = self.model.clock.next_epoch(self.model.now) - 1
        for at in {epoch, max(epoch - 1, 0), max(epoch - 30, 0)}:
            assert self.model.stake_at(pool, at) == self.chain.stake_at(pool, at)
            assert self.model.weight_at(pool, at) == self.chain.weight_at(pool, at)
            assert self.model.exposed(pool, at) == self.chain.exposed(pool, at)
            assert self.model.taken[pool, at] == self.chain.slashed_at(pool, at)

    def compare_account(self, account: str, pool: PoolId) -> None:
        held = self.model.position(raw(account), pool)
        assert (held.shares, held.generation) == self.chain.shares_of(account, pool)
        assert self.model.claimable(raw(account), pool) == self.chain.claimable(account, pool)
        now = self.model.now
        assert self.model.votes_at(raw(account), pool, now) == self.chain.votes_at(
            account, pool, now
        )

    def compare_tickets(self) -> None:
        for number in range(1, self.model.buckets.ticket_count + 1):
            actual = self.chain.ticket(number)
            expected = self.model.buckets.tickets.get(TicketId(number))
            if expected is None:
                assert int(actual.owner, 16) == 0
                continue
            for name in expected.__dataclass_fields__:
                actual_value = getattr(actual, name)
                if name == "owner":
                    actual_value = raw(actual_value)
                assert getattr(expected, name) == actual_value, name
            assert self.model.matures_at(expected) == self.chain.matures_at(number)

    def compare_service(self, service: Service) -> None:
        epoch = self.model.clock.next_epoch(self.model.now) - 1
        tree = self.model.roster.tree_at(service, epoch)
        members = self.model.roster.members_at(service, epoch)
        assert self.model.untold(service) == self.chain.untold(service)
        assert tree.root == self.chain.tree_root_at(service, epoch)
        assert tree.total_wei == self.chain.total_weight_at(service, epoch)
        staked = sum(member.stake_wei for member in members.values())
        assert staked == self.chain.total_stake_at(service, epoch)
        known = self.model.roster.desks[service].members.epochs
        expected = self._aggregate_hash(members) if known and known[0] <= epoch else bytes(32)
        assert expected == self.site.registry.aggregate_key_hash_at(service, epoch)

    def record_snapshot(self) -> None:
        """A frozen snapshot stays what it was when it was first seen."""
        epoch = self.model.clock.next_epoch(self.model.now) - 1
        self.snapshots.setdefault(epoch, self.chain.snapshot(epoch))
        for known in sorted(self.snapshots)[:: max(1, len(self.snapshots) // 3)]:
            assert self.snapshots[known] == self.chain.snapshot(known)

    def _aggregate_hash(self, members: dict[int, Any]) -> bytes:
        numbers = [self.keys[member.leaf.key_hash] for member in members.values()]
        if not numbers:
            return keccak(IDENTITY)
        total = aggregate_keys([a_key(number).public_key() for number in numbers])
        return keccak(total.eip2537())

    def _both(self, model: Callable[[], Any], chain: Callable[[], Any]) -> Any:
        self.model.now = boa.env.timestamp
        try:
            expected = model()
        except StakingRefusal as refusal:
            with boa.reverts(refusal.reason):
                chain()
            return None
        try:
            actual = chain()
        except BoaError as error:
            pytest.fail(f"the contract refused what the model allows: {error}")
        assert expected == actual
        return actual


def an_account(name: str) -> str:
    return a_wallet(name, wealth=10**8 * 10**18)


def pools_of(operators: list[int], services: tuple[Service, ...]) -> list[PoolId]:
    return [pool_id(OperatorId(number), service) for number in operators for service in services]
