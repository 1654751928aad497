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
    DEFAULT_PROOF = "default_proof"  # subject: epoch/group/seat
    MEASURE_BYTES = "measure_bytes"  # subject: epoch
    COLLECT_PAY = "collect_pay"  # subject: group/seat


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
