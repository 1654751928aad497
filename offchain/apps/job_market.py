"""`apogee jobs ...`: post work, bid for it sealed, deliver, accept, dispute, judge, take the money.

What a sealed bid says is written to the home before it is sent: without its salt nobody can open
it. Everything is read at one block before anything is sent.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final, TypeVar

from offchain.apps.amounts import parse_amount, show_amount
from offchain.apps.compute_clients import audit_clients
from offchain.apps.exit_codes import ExitCode
from offchain.apps.files import read_json, write_json
from offchain.apps.keystore import Keystore
from offchain.apps.output import print_json, print_table
from offchain.apps.stake import Actor, Told, perform
from offchain.chain.keys import LocalSigner
from offchain.chain.model import Address, Receipt, TypedCall, show_address
from offchain.compute.adapters.chain_juries import jury_draw_call
from offchain.compute.audit_draw import Ballot
from offchain.compute.job_terms import (
    JURY_ROUND,
    JURY_SEATS,
    JobTerms,
    SealedBid,
    case_id,
    parse_plan,
)
from offchain.compute.model import NATIVE_COIN, Kind, Level
from offchain.compute.onchain_job_market import CaseState, Job, JobPosted, JobState
from offchain.core.errors import Conflict, InvalidInput, NotFound
from offchain.core.hashing import TAG_COMPUTE_BALLOT, keccak
from offchain.core.typed_data import words

SALT_BYTES: Final = 32
PRIVATE: Final = 0o600
NEWEST: Final = 200  # jobs a list shows
HASH_DIGITS: Final = 64
VERDICTS: Final = ("fine", "faulty")
K = TypeVar("K", bound=IntEnum)


class HashInvalid(InvalidInput):
    """A hash is 0x and 64 hex digits, or @FILE whose bytes are hashed."""

    code = "jobs.hash_invalid"
    next_step = "Pass 0x.. of 32 bytes, or @FILE."


class BidForgotten(NotFound):
    """The home has no record of a bid of this role for the job."""

    code = "jobs.bid_forgotten"
    next_step = "Open a bid from the home it was sealed in."


class NothingToDecide(Conflict):
    """Nothing in the job waits for this step now."""

    code = "jobs.nothing_due"
    next_step = "`apogee jobs list` shows the state of each job and when it ends."


@dataclass(frozen=True, slots=True)
class PostWish:
    """What was typed."""

    spec: str
    budget: str
    plan: str
    kind: str
    level: str
    model: str | None
    bond_percent: float
    bid_seconds: int
    reveal_seconds: int
    review_seconds: int


def post(one: Actor, wish: PostWish) -> int:
    """Ask for work and put its budget in."""
    terms = JobTerms(
        token=NATIVE_COIN,
        kind=int(_named(Kind, wish.kind)),
        level=int(_named(Level, wish.level)),
        model_hash=bytes(32) if wish.model is None else read_hash(wish.model),
        spec_hash=read_hash(wish.spec),
        bond_bps=round(wish.bond_percent * 100),
        bid_seconds=wish.bid_seconds,
        reveal_seconds=wish.reveal_seconds,
        review_seconds=wish.review_seconds,
        milestones=parse_plan(wish.plan),
    )
    call = one.network.jobs.post(terms, parse_amount(wish.budget))

    def told(receipt: Receipt) -> dict[str, object]:
        [posted] = one.network.jobs.events_in(JobPosted, receipt.logs)
        return {"job": posted.job, "budget": show_amount(posted.budget)}

    return perform(one, call, one.unique_key("jobs.post"), told)


def list_jobs(one: Actor) -> int:
    """The newest jobs, newest first."""
    block = one.network.node.block()
    count = one.network.jobs.job_count(at=block.hash)
    first = max(1, count - NEWEST + 1)
    found = one.network.jobs.jobs(at=block.hash, first=first, last=count)
    rows = [described(first + place, job) for place, job in enumerate(found)][::-1]
    if one.as_json:
        print_json({"block": block.number, "time": block.timestamp, "jobs": rows})
        return ExitCode.DONE
    columns = ("job", "state", "kind", "level", "budget", "price", "milestone", "bids", "until")
    cells = [[row[name] for name in columns] for row in rows]
    print_table(f"jobs; the chain's time is {block.timestamp}", columns, cells)
    return ExitCode.DONE


def bid(one: Actor, number: int, service: str, price: str) -> int:
    """Seal a bid; its price and salt are kept in the home first."""
    market, at = one.network.jobs, one.at
    operator_id = one.network.stake.operator_of(one.address, at=at)
    salt = secrets.token_bytes(SALT_BYTES)
    sealed = SealedBid(number, operator_id, parse_amount(price), salt)
    job = market.job(number, at=at)
    bond = market.bond_of(number, at=at)
    call = market.bid(sealed, read_hash(service), token=job.token, amount=bond)
    if not one.is_dry:
        if _bid_file(one, number).exists():
            raise Conflict("this home has sealed a bid for the job", job=number)
        kept = {"price": str(sealed.price), "salt": "0x" + salt.hex(), "operator": operator_id}
        write_json(_bid_file(one, number), kept, mode=PRIVATE)
    return perform(
        one,
        call,
        one.unique_key(f"jobs.bid:{number}"),
        lambda _: {"job": number, "bond": show_amount(bond), "open_after": job.bid_until},
    )


def reveal(one: Actor, number: int) -> int:
    """Open the bid that this home has sealed. Raises: BidForgotten."""
    file = _bid_file(one, number)
    if not file.exists():
        raise BidForgotten(job=number)
    kept = read_json(file)
    salt = read_hash(str(kept["salt"]))
    sealed = SealedBid(number, int(str(kept["operator"])), int(str(kept["price"])), salt)

    def told(_: Receipt) -> dict[str, object]:
        best = one.network.jobs.job(number, at=one.at).operator_id
        return {"job": number, "is_best": best == sealed.operator_id}

    return perform(
        one, one.network.jobs.reveal(sealed), one.unique_key(f"jobs.reveal:{number}"), told
    )


def award(one: Actor, number: int) -> int:
    """Give the job to the best opened bid."""
    return _act(one, number, "award")


def deliver(one: Actor, number: int, result: str, receipts: str | None) -> int:
    """Show what a milestone came to."""
    root = bytes(32) if receipts is None else read_hash(receipts)
    call = one.network.jobs.deliver(number, read_hash(result), root)
    return perform(one, call, one.unique_key(f"jobs.deliver:{number}"), _state_of(one, number))


def accept(one: Actor, number: int) -> int:
    return _act(one, number, "accept")


def cancel(one: Actor, number: int) -> int:
    return _act(one, number, "cancel")


def settle(one: Actor, number: int) -> int:
    """Move on what waited too long: pay after the review, or end what is overdue."""
    job = one.network.jobs.job(number, at=one.at)
    return _act(one, number, "expire" if job.state is JobState.RUNNING else "settle")


def dispute(one: Actor, number: int, statement: str) -> int:
    """Have seven auditors judge what was delivered."""
    market, at = one.network.jobs, one.at
    case = case_id(number, market.job(number, at=at).milestone)
    call = market.dispute(number, read_hash(statement), bond=market.jury_bond(at=at))
    return perform(
        one,
        call,
        one.unique_key(f"jobs.dispute:{number}"),
        lambda _: {"job": number, "case": str(case)},
    )


def judge(one: Actor, number: int, verdict: str | None) -> int:
    """The next step of a dispute: draw the jury, seal and open an own ballot, count.

    With a verdict ("fine" or "faulty") the role votes; without one it moves the case on.
    Raises: NothingToDecide.
    """
    market, block = one.network.jobs, one.network.node.block()
    job = market.job(number, at=block.hash)
    id_ = case_id(number, job.milestone)
    case = market.case(id_, at=block.hash)
    if case.state is CaseState.WAITING:
        draw = jury_draw_call(audit_clients(one.network), market, id_, block)
        if draw is None:
            raise NothingToDecide(job=number, seed_block=case.seed_block)
        call = draw
    elif verdict is None:
        call = market.advance(id_)
    else:
        call = _next_vote(one, id_, verdict)
    return perform(
        one,
        call,
        one.unique_key(f"jobs.judge:{id_}:{call.function}"),
        lambda _: {"did": call.function, "case": market.case(id_, at=one.at).state.name.lower()},
    )


def withdraw(one: Actor) -> int:
    """Take what the market owes this role, in coins. Raises: NothingToDecide."""
    owed = one.network.jobs.free_of(one.address, NATIVE_COIN, at=one.at)
    if not owed:
        raise NothingToDecide(owed="0")
    call = one.network.jobs.withdraw(NATIVE_COIN, owed, one.address)
    return perform(
        one, call, one.unique_key("jobs.withdraw"), lambda _: {"withdrawn": show_amount(owed)}
    )


def described(number: int, job: Job) -> dict[str, object]:
    """A job as it is printed; amounts in coins unless its token is another."""
    is_coin = job.token == NATIVE_COIN
    show = show_amount if is_coin else str
    until = job.until or (job.reveal_until if job.state is JobState.OPEN else 0)
    return {
        "job": number,
        "state": job.state.name.lower(),
        "kind": Kind(job.kind).name.lower(),
        "level": Level(job.level).name.lower(),
        "buyer": show_address(Address(job.buyer)),
        "token": "coin" if is_coin else show_address(Address(job.token)),
        "spec": "0x" + job.spec_hash.hex(),
        "budget": show(job.budget),
        "price": show(job.price) if job.price else None,
        "service": "0x" + job.service.hex() if any(job.service) else None,
        "milestone": job.milestone,
        "bids": job.bids,
        "bid_until": job.bid_until,
        "reveal_until": job.reveal_until,
        "until": until or None,
        "result": "0x" + job.result.hex() if any(job.result) else None,
        "receipts": "0x" + job.receipts.hex() if any(job.receipts) else None,
    }


def read_hash(text: str) -> bytes:
    """32 bytes of hex, or the hash of a file's bytes with `@`. Raises: HashInvalid."""
    if text.startswith("@"):
        try:
            return keccak(Path(text[1:]).read_bytes())
        except OSError as failure:
            raise HashInvalid(file=text[1:80], why=failure.strerror or "unreadable") from failure
    digits = text.removeprefix("0x").lower()
    if len(digits) != HASH_DIGITS or not set(digits) <= set("0123456789abcdef"):
        raise HashInvalid(hash=text[:80])
    return bytes.fromhex(digits)


def _next_vote(one: Actor, case: int, verdict: str) -> TypedCall:
    """Seal while that is open and not done; otherwise open. Raises: NothingToDecide."""
    market, block = one.network.jobs, one.network.node.block()
    told = market.case(case, at=block.hash)
    operator_id = one.network.stake.operator_of(one.address, at=block.hash)
    if verdict not in VERDICTS:
        raise InvalidInput("a verdict is fine or faulty", verdict=verdict[:20])
    if told.state is CaseState.NONE or told.state.is_final:
        raise NothingToDecide(case=told.state.name.lower())
    # nobody but the role can sign this, and the same call signs the same bytes again
    signer = LocalSigner.from_secret(Keystore(one.home.keys).account(one.role).secret)
    salt = keccak(signer.sign_digest(keccak(words(TAG_COMPUTE_BALLOT, case, operator_id))))
    statement = keccak(verdict.encode())
    ballot = Ballot(case, JURY_ROUND, operator_id, VERDICTS.index(verdict), statement, salt)
    seats = [market.ballot(case, seat, at=block.hash) for seat in range(JURY_SEATS)]
    has_sealed = any(one.operator_id == operator_id and any(one.commitment) for one in seats)
    return market.vote(ballot) if has_sealed else market.commit(ballot)


def _named(kind: type[K], text: str) -> K:
    """A member by its name in lower case. Raises: InvalidInput."""
    if text.upper() not in kind.__members__:
        raise InvalidInput(f"no such {kind.__name__.lower()}", value=text[:40])
    return kind[text.upper()]


def _act(one: Actor, number: int, function: str) -> int:
    call = getattr(one.network.jobs, function)(number)
    return perform(one, call, one.unique_key(f"jobs.{function}:{number}"), _state_of(one, number))


def _state_of(one: Actor, number: int) -> Told:
    def told(_: Receipt) -> dict[str, object]:
        return described(number, one.network.jobs.job(number, at=one.at))

    return told


def _bid_file(one: Actor, number: int) -> Path:
    return one.home.root / "bids" / f"{one.role}-{one.network.chain_id}-{number}.json"


STEPS: Final[Mapping[str, Callable[[Actor, int], int]]] = {
    "reveal": reveal,
    "award": award,
    "accept": accept,
    "cancel": cancel,
    "settle": settle,
}
