"""One transaction of the gateway's book: rows in, the rules of keys and lanes applied, rows out.

Rows are read and locked in one order, lanes first and keys after; what is asked is answered in
turn; what changed is written back together. Where the rows are is a `Rows` (book_rows.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from offchain.compute.errors import DelegateSpent
from offchain.core.errors import ApogeeError
from offchain.gateway.book_model import (
    Allowance,
    Ask,
    Attempt,
    AttemptState,
    Close,
    Find,
    Floor,
    Lane,
    LaneKey,
    Open,
    Opened,
    Place,
    Told,
)
from offchain.gateway.book_rows import Remembered, Rows
from offchain.gateway.book_tables import (
    CLOSE_ATTEMPT,
    INSERT_ATTEMPT,
    SELECT_ATTEMPT,
    SELECT_DIGEST,
    SELECT_LANE,
    SELECT_PRICES,
    UPDATE_KEY,
    UPDATE_LANE,
    attempt_of,
    attempt_row,
    closing,
    lane_change,
    lane_of,
    record_of,
    spending,
)
from offchain.gateway.errors import ApiKeyWrong
from offchain.gateway.key_model import KeyRecord


@dataclass(slots=True)
class Page:
    """The rows that one transaction touches. `known`: attempts that only this process ends."""

    rows: Rows
    now: int
    owner: str
    known: Mapping[Place, Attempt]
    by_digest: dict[bytes, str] = field(default_factory=dict)
    keys: dict[str, KeyRecord] = field(default_factory=dict)
    lanes: dict[LaneKey, Lane] = field(default_factory=dict)
    attempts: dict[Place, Attempt] = field(default_factory=dict)
    changed_keys: set[str] = field(default_factory=set)
    changed_lanes: set[LaneKey] = field(default_factory=set)
    opened: list[Attempt] = field(default_factory=list)
    closed: list[Close] = field(default_factory=list)

    def apply(self, asked: Sequence[Ask]) -> list[Told | ApogeeError]:
        """Each one's answer or refusal, in order; nothing is written when this raises."""
        self._load(asked)
        told = [self._answer(one) for one in asked]
        self._save()
        return told

    def remember(self, remembered: Remembered) -> None:
        """Note the rows as this transaction left them."""
        remembered.lanes.update(self.lanes)
        remembered.keys.update(self.keys)

    def _load(self, asked: Sequence[Ask]) -> None:
        lanes = {one.lane for one in asked if isinstance(one, Open | Close)}
        for one in asked:
            if isinstance(one, Open) and one.allowance is not None:
                lanes |= one.allowance.settled.keys()
        for lane in sorted(lanes, key=lambda one: (one.provider, one.token)):
            known = self.rows.remembered.lanes.get(lane)
            self.lanes[lane] = self._lane(lane) if known is None else known
        for one in asked:
            if isinstance(one, Close):
                self._load_attempt((one.lane, one.nonce))
        ids = {one.key for one in asked if isinstance(one, Open) and one.key is not None}
        ids |= {one.key for one in self.attempts.values() if one.key is not None}
        self._load_keys(ids)
        for one in asked:
            if isinstance(one, Find):
                self._load_digest(one.digest)

    def _lane(self, lane: LaneKey) -> Lane:
        where = {"of_provider": lane.provider, "of_token": lane.token}
        found = self.rows.read(SELECT_LANE, where)
        if not found:
            self.rows.add_lane(lane)
            found = self.rows.read(SELECT_LANE, where)
        return lane_of(found[0])

    def _load_attempt(self, place: Place) -> None:
        attempt = self.known.get(place)
        if attempt is None:  # of an earlier run, or over
            lane, nonce = place
            where = {"of_provider": lane.provider, "of_token": lane.token, "of_nonce": nonce}
            found = self.rows.read(SELECT_ATTEMPT, where)
            attempt = attempt_of(found[0]) if found else None
        if attempt is not None:
            self.attempts[place] = attempt

    def _load_keys(self, ids: set[str]) -> None:
        known = self.rows.remembered.keys
        self.keys |= {one: known[one] for one in ids if one in known}
        if missing := sorted(ids - known.keys()):
            self.keys |= {row["id"]: record_of(row) for row in self.rows.read_keys(missing)}

    def _load_digest(self, digest: bytes) -> None:
        for row in self.rows.read(SELECT_DIGEST, {"of_digest": digest}):
            self.keys.setdefault(row["id"], record_of(row))
            self.by_digest[digest] = row["id"]

    def _save(self) -> None:
        write = self.rows.write
        if self.changed_lanes:
            write(UPDATE_LANE, [lane_change(one, self.lanes[one]) for one in self.changed_lanes])
        if self.changed_keys:
            write(UPDATE_KEY, [spending(self.keys[one]) for one in sorted(self.changed_keys)])
        if self.opened:
            write(INSERT_ATTEMPT, [attempt_row(one, self.owner) for one in self.opened])
        if self.closed:
            write(CLOSE_ATTEMPT, [closing(one, self.now) for one in self.closed])

    def _answer(self, asked: Ask) -> Told | ApogeeError:
        try:
            match asked:
                case Open():
                    return self._open(asked)
                case Close():
                    self._close(asked)
                    return None
                case Find():
                    return self._find(asked)
        except ApogeeError as refusal:
            return refusal

    def _open(self, asked: Open) -> Opened:
        lane = self.lanes[asked.lane].at_least(asked.floor)
        opened = lane.open(asked.hold, asked.floor.ceiling)
        if asked.allowance is not None:
            self._require_allowed(asked.allowance, asked.hold)
        if asked.key is not None:
            record = self.keys.get(asked.key)
            if record is None:
                raise ApiKeyWrong
            self.keys[asked.key] = record.hold(asked.hold, self.now)
            self.changed_keys.add(asked.key)
        self.lanes[asked.lane] = opened
        self.changed_lanes.add(asked.lane)
        cap = lane.acknowledged + opened.held
        self.opened.append(
            Attempt(
                lane=asked.lane,
                nonce=lane.next_nonce,
                state=AttemptState.OPEN,
                key=asked.key,
                service=asked.service,
                price_version=asked.price_version,
                cumulative=lane.acknowledged,
                cap=cap,
                hold=asked.hold,
                expiry=asked.expiry,
                request_hash=asked.request_hash,
                opened_at=self.now,
            )
        )
        return Opened(asked.lane, lane.next_nonce, lane.acknowledged, cap, asked.expiry)

    def _require_allowed(self, allowance: Allowance, hold: int) -> None:
        """Raises: DelegateSpent when the chain would not settle all that was signed."""
        signed = sum(
            max(0, self.lanes[lane].acknowledged + self.lanes[lane].held - settled)
            for lane, settled in allowance.settled.items()
        )
        if signed + hold > allowance.left:
            raise DelegateSpent(left=allowance.left, used=signed, needed=signed + hold)

    def _close(self, asked: Close) -> None:
        """Only once: what is over stays as it is."""
        place = (asked.lane, asked.nonce)
        attempt = self.attempts.get(place)
        if attempt is None or attempt.state is not AttemptState.OPEN:
            return
        del self.attempts[place]
        self.lanes[asked.lane] = self._lane_after(asked, attempt)
        self.changed_lanes.add(asked.lane)
        if attempt.key is not None and attempt.key in self.keys:
            record = self.keys[attempt.key]
            self.keys[attempt.key] = record.settle(attempt.hold, asked.price, self.now)
            self.changed_keys.add(attempt.key)
        self.closed.append(asked)

    def _lane_after(self, asked: Close, attempt: Attempt) -> Lane:
        """A provider may settle first and show its receipt later: that price is no new one."""
        lane, floor = self.lanes[asked.lane], asked.floor
        if not asked.price or asked.nonce > floor.last_nonce:
            return lane.close(attempt.hold, asked.price)
        return lane.close_settled(attempt.hold, floor.spent + self._unsettled(asked.lane, floor))

    def _unsettled(self, lane: LaneKey, floor: Floor) -> int:
        """The prices of answers after the last that the chain has settled."""
        where = {
            "of_provider": lane.provider,
            "of_token": lane.token,
            "of_nonce": floor.last_nonce,
            "of_state": AttemptState.DONE.value,
        }
        written = sum(int(row["price"]) for row in self.rows.read(SELECT_PRICES, where))
        here = (one for one in self.closed if one.lane == lane and one.nonce > floor.last_nonce)
        return written + sum(one.price for one in here)

    def _find(self, asked: Find) -> KeyRecord | None:
        found = self.by_digest.get(asked.digest)
        if found is None:
            return None
        self.keys[found].require_usable(self.now)
        return self.keys[found]
