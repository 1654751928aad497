"""What a job is: a kind and an on-chain id, nothing else, so doing it twice is doing it once."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum


class JobKind(StrEnum):
    """Every kind of job; its value is part of the task's name on the wire."""

    CONFIRM_BLOB = "confirm_blob"  # subject: blob id
    REFUND_BLOB = "refund_blob"  # subject: blob id
    DRAW_EPOCH = "draw_epoch"  # subject: epoch
    SETTLE_SLASH = "settle_slash"  # subject: offence id
    CONTRIBUTE_BEACON = "contribute_beacon"  # subject: the coming epoch
    CONVICT_ABSENT = "convict_absent"  # subject: an epoch that has begun
    REWEIGH_POOL = "reweigh_pool"  # subject: pool id
    PLACE_FILE = "place_file"  # subject: file id
    REFUND_FILE = "refund_file"  # subject: file id
    RENEW_FILE = "renew_file"  # subject: file id
    CLOSE_FILE = "close_file"  # subject: file id
    LOSE_FILE = "lose_file"  # subject: file id
    REQUEST_GROUP = "request_group"  # subject: profile
    DRAW_GROUP = "draw_group"  # subject: group
    DRAW_SUCCESSOR = "draw_successor"  # subject: group/seat
    LAPSE_SUCCESSOR = "lapse_successor"  # subject: group/seat
    LET_GO = "let_go"  # subject: group/seat
    PUSH_OUT = "push_out"  # subject: group/seat
    FILL_GROUP = "fill_group"  # subject: group
    DRAIN_GROUP = "drain_group"  # subject: group
    ADVANCE_GROUP = "advance_group"  # subject: group
    DEFAULT_PROOF = "default_proof"  # subject: epoch/group/seat
    CLOSE_DEMAND = "close_demand"  # subject: demand id
    MEASURE_BYTES = "measure_bytes"  # subject: epoch
    COLLECT_PAY = "collect_pay"  # subject: group/seat
    DRAW_AUDIT = "draw_audit"  # subject: audit, 32 bytes
    ADVANCE_AUDIT = "advance_audit"  # subject: audit
    PUNISH_AUDITOR = "punish_auditor"  # subject: audit/round/seat
    PAY_AUDIT = "pay_audit"  # subject: audit
    RELEASE_BATCH = "release_batch"  # subject: batch
    DISPUTE_ANSWER = "dispute_answer"  # subject: request
    AWARD_JOB = "award_job"  # subject: job of the market
    SETTLE_MILESTONE = "settle_milestone"  # subject: job
    EXPIRE_JOB = "expire_job"  # subject: job
    FORFEIT_BID = "forfeit_bid"  # subject: job/operator
    DRAW_JURY = "draw_jury"  # subject: case, 32 bytes
    ADVANCE_CASE = "advance_case"  # subject: case
    PUNISH_JUROR = "punish_juror"  # subject: case/seat
    DRAW_RELAYERS = "draw_relayers"  # subject: epoch
    CLOSE_EVIDENCE = "close_evidence"  # subject: attestation/kind of demand
    PUNISH_RELAYERS = "punish_relayers"  # subject: attestation/court
    SETTLE_SALE = "settle_sale"  # subject: sale of an agent
    REFUND_SALE = "refund_sale"  # subject: sale
    REFUND_FALSE_SALE = "refund_false_sale"  # subject: sale
    CLOSE_AUCTION = "close_auction"  # subject: sale
    COLLECT_RENT = "collect_rent"  # subject: lease of an agent
    END_CLONE_ORDER = "end_clone_order"  # subject: order of a clone
    REFUND_FALSE_CLONE = "refund_false_clone"  # subject: order of a clone
    PUNISH_DELIVERY = "punish_delivery"  # subject: digest of a delivery, 32 bytes


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work; `subject` is 0x-hex for an id, decimal for a number, a/b/c for several."""

    kind: JobKind
    subject: str


class Outcome(StrEnum):
    """What came of a job that raised nothing."""

    DONE = "done"  # this run changed the chain
    ALREADY = "already"  # somebody had done it
    NOT_DUE = "not_due"  # the chain says it must not be done (any more, or yet)


class Handling(Enum):
    """What happens to a job that failed."""

    DROP = "drop"  # the job makes no sense (now); the chain will tell if it is due again
    REPORT = "report"  # the protocol refused; dropped and logged as a warning
    RETRY = "retry"  # somebody did not answer; again later
    STOP = "stop"  # data contradicts its hash: not tried again until a person looked


Handler = Callable[[str], Outcome]
Handlers = Mapping[JobKind, Handler]
FindDue = Callable[[], Iterable[Job]]  # reads the chain at one block
