"""Why a storage node refuses, and what is wrong with what it keeps, each with its stable code.

InvalidInput
  BodySize              storage.body.size             the body is not as long as the paid shape says
  BodyDigest            storage.body.digest           the body is not the one its digest names
  RequestMalformed      storage.request.malformed     an id, a number or a list that is none
NotFound
  SubmissionUnknown     storage.submission.unknown    the chain knows no such submission
  ShardNotHeld          storage.shard.not_held        this node does not hold these rows
Conflict
  SubmissionNotOpen     storage.submission.not_open   not in a state in which seats take shards
  NotWhole              storage.held.not_whole        a shard of the submission is missing here
Rejected
  NoSeat                storage.seat.none             this operator does not hold the seat
  SegmentNotPaid        storage.segment.not_paid      the segment is not in the file that was paid
  ShardRejected         storage.shard.rejected        the rows do not lie under the segment's root
Unavailable
  NotPlacedYet          storage.submission.not_placed no group yet, or its block is not deep enough
  OwnerQuota            storage.owner.quota           too many bytes without receipts of one owner
  StoreQuota            storage.store.quota           more than the operator offers to keep
  NodeBusy              storage.node.busy             too many bodies at once (429)
  UploadSlow            storage.upload.slow           the body did not come in time
  SeatUnreachable       storage.seat.unreachable      no connection, or cut
  SeatSlow              storage.seat.slow             no answer in time
  SeatRefused           storage.seat.refused          the seat answered an error
  BackendUnreachable    storage.backend.unreachable   the object store does not answer
Corrupt
  ShardCorrupt          storage.shard.corrupt         a kept shard contradicts its root
  FormatUnknown         storage.format.unknown        a kept file of another version
  SeatAnswerInvalid     storage.seat.answer_invalid   an answer breaks the protocol

A full or broken disk, a second process and a rate limit have the errors of offchain/node/errors.py.
Source: docs/protocol/storage.md#errors.
"""

from typing import ClassVar

from offchain.core.errors import Conflict, Corrupt, InvalidInput, NotFound, Rejected, Unavailable
from offchain.node.errors import PeerRefused, RateLimited


class BodySize(InvalidInput):
    """The body is not as long as the paid shape says."""

    code = "storage.body.size"
    next_step = "Send the head, the header and exactly the rows of this seat."


class BodyDigest(InvalidInput):
    """The body is not the one that Content-Digest names."""

    code = "storage.body.digest"
    next_step = "Send the SHA-256 of the body that is sent."


class RequestMalformed(InvalidInput):
    """The request carries no well-formed id, number or list."""

    code = "storage.request.malformed"
    next_step = "Ask as the node's /openapi.json lays it out."


class SubmissionUnknown(NotFound):
    """The named block knows no such submission."""

    code = "storage.submission.unknown"
    next_step = "Check the id and the network; submit and pay before sending shards."


class ShardNotHeld(NotFound):
    """These rows are not held here."""

    code = "storage.shard.not_held"
    next_step = "Ask another seat of the group; `have` tells what this one holds."


class SubmissionNotOpen(Conflict):
    """The submission is in a state in which seats take no shards."""

    code = "storage.submission.not_open"
    next_step = "Read its state with `apogee storage stat`; a refunded one has to be paid again."


class NotWhole(Conflict):
    """A shard of the submission is missing here, so there is nothing to sign."""

    code = "storage.held.not_whole"
    next_step = "Ask `have`, send what is missing, and ask again."


class NoSeat(Rejected):
    """The seat is not held by this operator."""

    code = "storage.seat.none"
    next_step = "Read the group's seats at the newest block; send to the endpoint named there."


class SegmentNotPaid(Rejected):
    """The segment is not in the file that was paid, or the header is not the segment's."""

    code = "storage.segment.not_paid"
    next_step = "Send the segment of the file whose root was submitted, with its path."


class ShardRejected(Rejected):
    """The rows do not lie under the segment's root at this seat's place."""

    code = "storage.shard.rejected"
    next_step = "Send the rows of this seat, with the siblings that lead to the segment's root."


class NotPlacedYet(Unavailable):
    """The submission has no group yet, or the block that named it is not deep enough."""

    code = "storage.submission.not_placed"
    next_step = "Wait for a block, call `place`, and send again."


class OwnerQuota(Unavailable):
    """The owner has too many bytes here that no receipt covers."""

    code = "storage.owner.quota"
    next_step = "Confirm earlier submissions, or wait for their refund."


class StoreQuota(Unavailable):
    """More than the operator offers to keep."""

    code = "storage.store.quota"
    next_step = "The operator has to lower its ask or add a disk; other seats are not concerned."


class NodeBusy(RateLimited):
    """Too many bodies at once."""

    code = "storage.node.busy"
    next_step = "Send again in a second."


class UploadSlow(Unavailable):
    """The body did not come in time, and others wait for the place."""

    code = "storage.upload.slow"
    next_step = "Send again over a faster link."


class SeatUnreachable(Unavailable):
    """The seat could not be reached, or cut the connection."""

    code = "storage.seat.unreachable"


class SeatSlow(Unavailable):
    """The seat did not answer in time."""

    code = "storage.seat.slow"


class SeatRefused(PeerRefused):
    """The seat answered with an error; its code is in the fields."""

    code = "storage.seat.refused"
    permanent: ClassVar[frozenset[str]] = frozenset(
        {
            NoSeat.code,
            SegmentNotPaid.code,
            ShardRejected.code,
            SubmissionNotOpen.code,
            SubmissionUnknown.code,
        }
    )


class BackendUnreachable(Unavailable):
    """The object store does not answer, or refuses."""

    code = "storage.backend.unreachable"
    next_step = "Check the object store's address and keys; nothing was acknowledged."


class ShardCorrupt(Corrupt):
    """A kept shard contradicts its root."""

    code = "storage.shard.corrupt"
    next_step = "It is not served and is fetched again from the other seats; check the disk."


class FormatUnknown(Corrupt):
    """A kept file has a format that this version does not read."""

    code = "storage.format.unknown"
    next_step = "Start the version that wrote it, or migrate; nothing was removed."


class SeatAnswerInvalid(Corrupt):
    """An answer breaks the protocol."""

    code = "storage.seat.answer_invalid"
    next_step = "The seat is blamed and asked less; no action is needed."
