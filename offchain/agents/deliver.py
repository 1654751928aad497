"""Have a bundle delivered: choose oracles, lead them to the joint key, store the file, sign.

  ORDERED ─commit, share, derive─► DERIVED ─put─► STORED ─sign─► SIGNED

Whoever has the data key in use may lead; he is not trusted with the new one. Each stage is written
down before the next begins, and every step of an oracle is the same when it is asked again, so a
killed leader goes on. An oracle that is silent, much slower than others, refuses, or makes other
bytes than most, is blamed; another order, with a nonce of its own, is for those least to blame.
Whoever was blamed has another chance where nobody else stands: of two who differ, one was right.
Source: docs/protocol/agents.md#delivery-oracle.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from offchain.agents.delivery_ports import (
    Begun,
    BundleFiles,
    BundleNotStored,
    DeliveryShelf,
    Stage,
)
from offchain.agents.oracle_errors import (
    EntryChanged,
    OracleInvalid,
    OracleRefused,
    OracleSilent,
    TooFewOracles,
)
from offchain.agents.oracle_ports import (
    DataEntry,
    Derived,
    DeriveWish,
    Op,
    OraclePlace,
    Oracles,
    Order,
    Share,
)
from offchain.agents.oracle_words import old_key_info, seal_to
from offchain.agents.recrypt import delivery_digest
from offchain.core.ecdsa import signer_of
from offchain.core.errors import ApogeeError
from offchain.core.hashing import keccak

NONCE_BYTES: Final = 32
ATTEMPTS: Final = 6  # orders begun at most for one entry
LEFT_SECONDS: Final = 60  # an order with less time than this is begun anew
log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class DeliverWish:
    """One entry to deliver: which, to whom, for what. `name`: the same when it is tried again.

    `data_key`: the one in use; `now`: chain time; `deadline`: until when signatures are to count.
    """

    name: str
    collection: bytes
    token: int
    epoch: int
    op: Op
    receiver: bytes
    old: DataEntry
    delivery_key: bytes
    threshold: int
    now: int
    deadline: int
    data_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A delivery that counts: what goes into the EIP's ownership proof."""

    order: Order
    derived: Derived
    location: bytes
    signatures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class DeliverRules:
    """`grace_seconds`: for the last oracles, once most have answered; at least `patience` times
    what those took. `again_seconds`: before an oracle that was blamed is asked again.
    """

    grace_seconds: float = 10.0
    patience: float = 4.0
    again_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class DeliverParts:
    """The way to oracles, who stands, where files lie, and what is remembered."""

    oracles: Oracles
    standing: Callable[[], Sequence[OraclePlace]]
    files: BundleFiles
    shelf: DeliveryShelf
    randomness: Callable[[int], bytes]
    chain_id: int
    verifier: bytes
    rules: DeliverRules = field(default_factory=DeliverRules)


Watcher = Callable[[str], None]


class Deliver:
    """Leads oracles through deliveries."""

    def __init__(self, parts: DeliverParts, watch: Watcher = lambda _: None) -> None:
        self._parts = parts
        self._watch = watch

    async def deliver(self, wish: DeliverWish) -> Delivered:
        """The signatures of enough oracles. Raises: TooFewOracles, EntryChanged, .."""
        blamed: Counter[bytes] = Counter()
        why = ""
        for _ in range(ATTEMPTS):
            standing = await asyncio.to_thread(self._parts.standing)
            begun = await asyncio.to_thread(self._begin, wish, standing, blamed)
            if any(blamed[one] for one in begun.order.signers):
                await asyncio.sleep(self._parts.rules.again_seconds)
            try:
                return await self._carry_on(wish, begun, standing)
            except _Blamed as found:
                blamed.update(found.signers)
                why = found.why
                extra = {"oracles": [one.hex() for one in found.signers], "why": why}
                log.warning("oracles_blamed", extra=extra)
                await asyncio.to_thread(self._parts.shelf.forget, wish.name)
        raise TooFewOracles(threshold=wish.threshold, blamed=len(blamed), why=why[:200])

    def _begin(
        self, wish: DeliverWish, standing: Sequence[OraclePlace], blamed: Counter[bytes]
    ) -> Begun:
        """What was begun for this wish before, or a new order for those least to blame."""
        parts = self._parts
        begun = parts.shelf.find(wish.name)
        if begun is not None and _is_of(begun.order, wish):
            return begun
        if len(standing) < wish.threshold:
            raise TooFewOracles(threshold=wish.threshold, standing=len(standing))
        name = wish.name.encode()
        chosen = sorted(standing, key=lambda one: (blamed[one.signer], keccak(name, one.signer)))
        signers = sorted(one.signer for one in chosen[: wish.threshold])
        order = Order(
            chain_id=parts.chain_id,
            verifier=parts.verifier,
            collection=wish.collection,
            token=wish.token,
            epoch=wish.epoch,
            op=wish.op,
            receiver=wish.receiver,
            old=wish.old,
            delivery_key=wish.delivery_key,
            nonce=parts.randomness(NONCE_BYTES),
            deadline=wish.deadline,
            signers=tuple(signers),
        )
        begun = Begun(order)
        parts.shelf.keep(wish.name, begun)
        return begun

    async def _carry_on(
        self, wish: DeliverWish, begun: Begun, standing: Sequence[OraclePlace]
    ) -> Delivered:
        shelf = self._parts.shelf
        places = _places(begun.order, standing)
        if begun.stage is Stage.SIGNED:
            return _delivered(begun)
        if begun.stage is Stage.ORDERED:
            derived, new_file = await self._derive(wish, begun.order, places)
            self._watch("stored")
            location = await self._put(wish, derived, new_file, places[0])
            begun = replace(begun, stage=Stage.STORED, derived=derived, location=location)
            await asyncio.to_thread(shelf.keep, wish.name, begun)
        begun = replace(begun, signatures=await self._sign(wish, begun, places))
        begun = replace(begun, stage=Stage.SIGNED)
        await asyncio.to_thread(shelf.keep, wish.name, begun)
        return _delivered(begun)

    async def _put(
        self, wish: DeliverWish, derived: Derived, new_file: bytes, source: OraclePlace
    ) -> bytes:
        """Where the new file is stored; nothing is paid for a file of another root."""
        try:
            return await self._parts.files.put(new_file, derived.new_data_hash, name=wish.name)
        except BundleNotStored as error:
            raise _Blamed({source.signer}, "another file than it says") from error

    async def _derive(
        self,
        wish: DeliverWish,
        order: Order,
        places: Sequence[OraclePlace],
        *,
        wants_file: bool = True,
    ) -> tuple[Derived, bytes]:
        """The result that all oracles agree on, and the first one's file."""
        oracles = self._parts.oracles
        old_file = await self._parts.files.get(wish.old.location, wish.old.data_hash)
        self._watch("committed")
        commitments = await self._all(places, lambda one: oracles.commit(one, order))
        for place, one in zip(places, commitments, strict=True):
            if one.signer != place.signer or keccak(one.key) != place.key_hash:
                raise _Blamed({place.signer}, "another enclave key than the chain's")
        self._watch("shared")
        shared = await self._all(places, lambda one: oracles.share(one, order, commitments))
        shares = [one for some in shared for one in some]
        wishes = {
            one.signer: DeriveWish(
                order=order,
                commitments=tuple(commitments),
                shares=tuple(_to(shares, one.signer)),
                old_key=seal_to(wish.data_key, one.key, old_key_info(order.id, one.signer)),
                wants_file=wants_file and place is places[0],
            )
            for place, one in zip(places, commitments, strict=True)
        }
        self._watch("re-encrypted")
        made = await self._all(
            places, lambda one: oracles.derive(one, wishes[one.signer], old_file)
        )
        results = [derived for derived, _ in made]
        most, _ = Counter(results).most_common(1)[0]
        liars = {
            place.signer for place, derived in zip(places, results, strict=True) if derived != most
        }
        if liars:
            is_even = 2 * len(liars) >= len(places)
            raise _Blamed(set(order.signers) if is_even else liars, "other bytes than most")
        return most, made[0][1]

    async def _sign(
        self, wish: DeliverWish, begun: Begun, places: Sequence[OraclePlace]
    ) -> tuple[bytes, ...]:
        assert begun.derived is not None
        order, derived, location = begun.order, begun.derived, begun.location
        oracles = self._parts.oracles
        self._watch("signed")
        try:
            signatures = await self._all(places, lambda one: oracles.sign(one, order, location))
        except _Blamed:
            # An oracle that was started anew makes its result again before it signs.
            again, _ = await self._derive(wish, order, places, wants_file=False)
            if again != derived:
                raise EntryChanged(token=order.token) from None
            signatures = await self._all(places, lambda one: oracles.sign(one, order, location))
        digest = delivery_digest(order, derived, location)
        wrong = {
            place.signer
            for place, one in zip(places, signatures, strict=True)
            if signer_of(digest, one) != place.signer
        }
        if wrong:
            raise _Blamed(wrong, "a signature of something else")
        return tuple(signatures)

    async def _all(
        self, places: Sequence[OraclePlace], ask: Callable[[OraclePlace], Awaitable[T]]
    ) -> list[T]:
        """Every oracle's answer, asked together. Raises: _Blamed with all that failed."""
        tasks = [asyncio.ensure_future(ask(place)) for place in places]
        try:
            await self._most(tasks)
            failed: dict[bytes, ApogeeError] = {}
            good: list[T] = []
            for place, task in zip(places, tasks, strict=True):
                if not task.done():
                    failed[place.signer] = OracleSilent(endpoint=place.endpoint, reason="late")
                    continue
                try:
                    good.append(task.result())
                except (OracleSilent, OracleRefused, OracleInvalid) as error:
                    failed[place.signer] = error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if failed:
            said = {str(one.fields.get("remote_code", "")) for one in failed.values()}
            if len(failed) == len(places) and said == {EntryChanged.code}:
                raise EntryChanged(oracles=len(failed))
            raise _Blamed(set(failed), "; ".join(map(str, failed.values())))
        return good

    async def _most(self, tasks: Sequence[asyncio.Future[T]]) -> None:
        """Wait for all; once most have answered, for the others a while."""
        loop, rules = asyncio.get_running_loop(), self._parts.rules
        started, pending, ends = loop.time(), set(tasks), None
        while pending:
            rest = None if ends is None else max(0.0, ends - loop.time())
            done, pending = await asyncio.wait(
                pending, timeout=rest, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                return
            if ends is None and 2 * len(pending) < len(tasks):
                took = loop.time() - started
                ends = loop.time() + max(rules.grace_seconds, rules.patience * took)


class _Blamed(Exception):
    """Oracles that an order cannot go on with."""

    def __init__(self, signers: set[bytes], why: str) -> None:
        super().__init__(why)
        self.signers = signers
        self.why = why


def _places(order: Order, standing: Sequence[OraclePlace]) -> list[OraclePlace]:
    """Where an order's oracles answer. Raises: _Blamed for those that stand no more."""
    known = {one.signer: one for one in standing}
    gone = {one for one in order.signers if one not in known}
    if gone:
        raise _Blamed(gone, "no oracle any more")
    return [known[one] for one in order.signers]


def _to(shares: Sequence[Share], signer: bytes) -> list[Share]:
    return [one for one in shares if one.receiver == signer]


def _is_of(order: Order, wish: DeliverWish) -> bool:
    """Whether an order that was begun serves this wish, with time left to use it."""
    wanted = (wish.collection, wish.token, wish.epoch, wish.op, wish.receiver, wish.old)
    found = (order.collection, order.token, order.epoch, order.op, order.receiver, order.old)
    is_same = wanted == found and order.delivery_key == wish.delivery_key
    return (
        is_same
        and order.deadline > wish.now + LEFT_SECONDS
        and wish.threshold <= len(order.signers)
    )


def _delivered(begun: Begun) -> Delivered:
    assert begun.derived is not None
    return Delivered(begun.order, begun.derived, begun.location, begun.signatures)
