"""Why a node, a disperser or a reader refuses, each with its stable code.

InvalidInput
  BodySize              da.body.size              the body is not as long as the paid shape says
  BodyDigest            da.body.digest            the body is not the one the sender signed
  RequestMalformed      da.request.malformed      no well-formed signature, expiry or digest
  ManifestMalformed     da.manifest.malformed     these bytes are no manifest
NotFound
  BlobUnknown           da.blob.unknown           the named block knows no such blob
  RowNotHeld            da.row.not_held           this node does not hold the row
Conflict
  BlobNotPaid           da.blob.not_paid          the blob is in another state
  DeadlinePassed        da.blob.deadline_passed   too late for a certificate
  AlreadySigned         da.node.already_signed    another digest was signed for (blob id, seed)
  NodeAlreadyRuns       da.node.already_running   another process holds this folder
Rejected
  SenderNotDisperser    da.sender.not_disperser   the sender is not the disperser in the id
  RequestExpired        da.request.expired        the signed request is too old or too far ahead
  NoDuty                da.node.no_duty           this operator answers for no row of the blob
  WrongRows             da.rows.not_yours         the rows are not exactly this node's
  HeaderNotPaid         da.header.not_paid        the header is not the paid one
  NoEquivocation        da.evidence.none          two attestations do not contradict each other
Unavailable
  TooEarly              da.blob.too_early         the seed's block is not deep enough yet
  PayerQuota            da.payer.quota            too many unconfirmed bytes of one payer
  NodeBusy              da.node.busy              too many uploads at once
  UploadSlow            da.upload.slow            the body did not come in time
  RateLimited           da.node.rate_limited      this peer asks too often
  StoreFull             da.store.full             the disk is full
  StoreBroken           da.store.broken           the disk does not work
  NodeUnreachable       da.node.unreachable       no connection, or cut
  NodeSlow              da.node.slow              no answer in time
  NodeRefused           da.node.refused           the node answered an error
  NotEnoughSignatures   da.disperse.not_enough_signatures
Corrupt
  ShareCorrupt          da.store.corrupt          a share contradicts its digests
  JournalCorrupt        da.journal.corrupt        a journal contradicts its checks
  AnswerInvalid         da.node.answer_invalid    an answer breaks the protocol
  PartMismatch          da.part.mismatch          a part of a file is not what its manifest says

Source: docs/protocol/da.md#errors.
"""

from typing import ClassVar

from offchain.core.errors import Conflict, Corrupt, InvalidInput, NotFound, Rejected, Unavailable
from offchain.node.errors import PeerRefused


class BodySize(InvalidInput):
    """The body is not as long as the paid shape says."""

    code = "da.body.size"
    next_step = "Send the header and exactly the rows this node answers for."


class BodyDigest(InvalidInput):
    """The body is not the one the sender signed."""

    code = "da.body.digest"
    next_step = "Sign the SHA-256 of the body that is sent."


class RequestMalformed(InvalidInput):
    """The request carries no well-formed signature, expiry or digest."""

    code = "da.request.malformed"
    next_step = "Sign the request as docs/protocol/da.md#node-check lays it out."


class ManifestMalformed(InvalidInput):
    """These bytes are no manifest."""

    code = "da.manifest.malformed"
    next_step = "Ask for the blob itself; only files larger than one matrix have a manifest."


class BlobUnknown(NotFound):
    """The named block knows no such blob."""

    code = "da.blob.unknown"
    next_step = "Check the blob id and the network; pay before sending rows."


class RowNotHeld(NotFound):
    """The row is not held here."""

    code = "da.row.not_held"
    next_step = "Ask `/have` which rows this node holds."


class BlobNotPaid(Conflict):
    """The blob is in a state in which nodes take no rows."""

    code = "da.blob.not_paid"
    next_step = "Nodes take rows of paid, unconfirmed blobs only."


class DeadlinePassed(Conflict):
    """The time for a certificate is over."""

    code = "da.blob.deadline_passed"
    next_step = "Ask for the refund and pay again with another salt."


class AlreadySigned(Conflict):
    """Another digest was signed for this blob and seed."""

    code = "da.node.already_signed"
    next_step = "A node signs one statement for a blob and a seed, whatever happens."


class SenderNotDisperser(Rejected):
    """The sender is not the disperser named in the blob's id."""

    code = "da.sender.not_disperser"
    next_step = "Sign the request with the key of the disperser that the blob was paid for."


class RequestExpired(Rejected):
    """The signed request is too old, or dated too far ahead."""

    code = "da.request.expired"
    next_step = "Sign again with an expiry within the next minutes of chain time."


class NoDuty(Rejected):
    """The operator answers for no row of the blob."""

    code = "da.node.no_duty"
    next_step = "Read the quorum's table at the named block; send each row to its owner."


class WrongRows(Rejected):
    """The rows are not exactly the ones this node answers for."""

    code = "da.rows.not_yours"
    next_step = "Send all rows of this node's slices, and no other."


class HeaderNotPaid(Rejected):
    """The header's length, width, root or commitment is not the paid one."""

    code = "da.header.not_paid"
    next_step = "Send the header of the matrix that was paid for."


class NoEquivocation(Rejected):
    """Two attestations do not contradict each other under one key."""

    code = "da.evidence.none"
    next_step = "Equivocation needs two valid signatures on different digests, same blob and seed."


class TooEarly(Unavailable):
    """The block that seeds the duties is not deep enough yet."""

    code = "da.blob.too_early"
    next_step = "Wait for more blocks and send again."


class PayerQuota(Unavailable):
    """The payer has too many unconfirmed bytes here."""

    code = "da.payer.quota"
    next_step = "Confirm earlier blobs, or wait for their deadline."


class NodeBusy(Unavailable):
    """Too many uploads at once."""

    code = "da.node.busy"
    next_step = "Send again in a second."


class UploadSlow(Unavailable):
    """The body did not come in time, and others wait for the place."""

    code = "da.upload.slow"
    next_step = "Send again over a faster link."


class NodeUnreachable(Unavailable):
    """The node could not be reached, or cut the connection."""

    code = "da.node.unreachable"


class NodeSlow(Unavailable):
    """The node did not answer in time."""

    code = "da.node.slow"


class NodeRefused(PeerRefused):
    """The node answered with an error; its code is in the fields."""

    code = "da.node.refused"
    permanent: ClassVar[frozenset[str]] = frozenset(
        {
            AlreadySigned.code,
            BlobNotPaid.code,
            DeadlinePassed.code,
            NoDuty.code,
            SenderNotDisperser.code,
        }
    )


class NotEnoughSignatures(Unavailable):
    """Too few slices were signed before the deadline; the fee can be had back after it."""

    code = "da.disperse.not_enough_signatures"
    next_step = "After the deadline ask for the refund; `apogee status` shows which nodes are down."


class ShareCorrupt(Corrupt):
    """A stored share contradicts its digests."""

    code = "da.store.corrupt"
    next_step = "The row is not served; check the disk."


class JournalCorrupt(Corrupt):
    """A journal contradicts its checks before its end."""

    code = "da.journal.corrupt"
    next_step = "Do not sign with this key from this disk: what it signed is not known any more."


class AnswerInvalid(Corrupt):
    """An answer breaks the protocol."""

    code = "da.node.answer_invalid"
    next_step = "The node is blamed and asked less; no action is needed."


class PartMismatch(Corrupt):
    """A part of a file is not what its manifest says."""

    code = "da.part.mismatch"
    next_step = "The manifest was published wrongly; its publisher has to publish the file again."
