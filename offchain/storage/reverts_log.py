"""Why StorageLog, KVStreams and KVFraudProofs refuse a call, each reason with its error.

InvalidInput
  SubmissionInvalid     storage.log.submission_invalid   kind, owner, root, length or segments
  BatchInvalid          storage.log.batch_invalid        no streams or no operations
  GrantInvalid          kv.grant.invalid                 role, subject, prefix or expiry
NotFound
  FileUnknown           storage.log.file_unknown         the id has not entered the log
  StreamUnknown         kv.stream.unknown                nobody has created it
Conflict
  SubmissionLate        storage.log.submission_late      `valid_until` is over
  EpochNotOver          storage.log.epoch_not_over       its root may still change
  StreamExists          kv.stream.exists                 this owner has used this salt
  RootNotNewer          kv.root.not_newer                a root as new is posted already
  RootEarlier           kv.root.epoch                    signed in an epoch that is over
  LogWired              storage.log.wired                wired already, or not yet
Rejected
  NotTheOwner           storage.log.not_the_owner        neither called nor signed by the owner
  ChangeRefused         storage.log.change_refused       the payer takes no money back
  BlobNotAvailable      storage.log.blob_not_available   its bytes might be missing
  NoRight               kv.access.no_right               neither owner nor admin may do this
  RootRefused           kv.root.refused                  no replica group stands for it
  RootNotFalse          kv.root.not_false                nothing shows that a seat stood for two
Source: docs/protocol/storage.md#errors.
"""

from collections.abc import Mapping
from typing import Final

from offchain.core.errors import ApogeeError, Conflict, InvalidInput, NotFound, Rejected
from offchain.storage.reverts_market import MARKET


class SubmissionInvalid(InvalidInput):
    """Kind, owner, root, length or number of segments is wrong."""

    code = "storage.log.submission_invalid"
    next_step = "Build the submission from the file again; segments follow from the length."


class BatchInvalid(InvalidInput):
    """A batch names no stream, or has no operations."""

    code = "storage.log.batch_invalid"


class GrantInvalid(InvalidInput):
    """Role, subject, prefix or expiry is none."""

    code = "kv.grant.invalid"
    next_step = "Name a role and an account or key; a prefix for a key writer alone."


class FileUnknown(NotFound):
    """No file of this id has entered the log."""

    code = "storage.log.file_unknown"


class StreamUnknown(NotFound):
    """Nobody has created this stream."""

    code = "kv.stream.unknown"
    next_step = "Check the stream's id, or create it with its owner's account."


class SubmissionLate(Conflict):
    """The submission was valid until an earlier time."""

    code = "storage.log.submission_late"
    next_step = "Sign it again with a later time; the id stays the same."


class EpochNotOver(Conflict):
    """The epoch is not over, so its last root is not known."""

    code = "storage.log.epoch_not_over"
    next_step = "Ask again in the next epoch."


class StreamExists(Conflict):
    """The owner has made a stream with this salt before."""

    code = "kv.stream.exists"
    next_step = "Use the stream, or choose another salt."


class RootNotNewer(Conflict):
    """A root of this entry, or of a later one, is posted already."""

    code = "kv.root.not_newer"
    next_step = "Read the posted root; sign one of a later entry."


class RootEarlier(Conflict):
    """The root was signed in an epoch that is neither the present one nor the one before."""

    code = "kv.root.epoch"
    next_step = "Have it signed again in this epoch."


class LogWired(Conflict):
    """Market and streams are named once, before anything is submitted."""

    code = "storage.log.wired"


class NotTheOwner(Rejected):
    """The owner has neither called nor signed this."""

    code = "storage.log.not_the_owner"
    next_step = "Send it from the owner's account, or bring its signature for this chain and log."


class ChangeRefused(Rejected):
    """The account that paid does not take its change."""

    code = "storage.log.change_refused"
    next_step = "Pay from an account that can be paid, or send no value for a known id."


class BlobNotAvailable(Rejected):
    """Data availability does not stand for this blob now, so its bytes might be missing."""

    code = "storage.log.blob_not_available"
    next_step = "Wait for the blob's certificate, or publish it again."


class NoRight(Rejected):
    """Only the owner, or an admin within its right, may do this."""

    code = "kv.access.no_right"


class RootRefused(Rejected):
    """No replica group stands for this root of this stream."""

    code = "kv.root.refused"
    next_step = "Collect the signatures of at least four seats of one replica group."


class RootNotFalse(Rejected):
    """The evidence does not show that one seat stood for two roots of one entry."""

    code = "kv.root.not_false"


_OWN: Final[Mapping[str, type[ApogeeError]]] = {
    "storage_log: not a file": SubmissionInvalid,
    "storage_log: no owner": SubmissionInvalid,
    "storage_log: no root": SubmissionInvalid,
    "storage_log: wrong length": SubmissionInvalid,
    "storage_log: wrong segments": SubmissionInvalid,
    "storage_log: too late": SubmissionLate,
    "storage_log: not authorised": NotTheOwner,
    "ecdsa: invalid signature": NotTheOwner,
    "ecdsa: invalid signature `s` value": NotTheOwner,
    "storage_log: change refused": ChangeRefused,
    "storage_log: no streams": BatchInvalid,
    "storage_log: no operations": BatchInvalid,
    "storage_log: not available": BlobNotAvailable,
    "storage_log: not the streams": NoRight,
    "storage_log: not wired": LogWired,
    "storage_log: wired already": LogWired,
    "storage_log: no contract": LogWired,
    "storage_log: epoch not over": EpochNotOver,
    "submissions: unknown id": FileUnknown,
}
LOG: Final[Mapping[str, type[ApogeeError]]] = {**MARKET, **_OWN}
STREAMS: Final[Mapping[str, type[ApogeeError]]] = {
    **_OWN,
    "kv_streams: no such stream": StreamUnknown,
    "kv_streams: no such generation": RootRefused,
    "kv_streams: not in the log": RootRefused,
    "kv_streams: no replica group": RootRefused,
    "kv_streams: another epoch": RootEarlier,
    "storage_seats: not open": RootRefused,
    "seat_keys: no such seat": RootRefused,
    "seat_keys: key missing": RootRefused,
    "seat_keys: key left over": RootRefused,
    "seat_keys: key of another": RootRefused,
    "seat_keys: too few seats": RootRefused,
    "seat_keys: wrong signature": RootRefused,
    "kv_streams: not the owner": NoRight,
    "kv_streams: no owner": GrantInvalid,
    "stream_roles: exists already": StreamExists,
    "stream_roles: no such role": GrantInvalid,
    "stream_roles: wrong subject": GrantInvalid,
    "stream_roles: wrong prefix": GrantInvalid,
    "stream_roles: expired": GrantInvalid,
    "stream_roles: no right": NoRight,
    "stream_roles: not the owner": NoRight,
    "stream_roots: not newer": RootNotNewer,
}
FALSE_ROOTS: Final[Mapping[str, type[ApogeeError]]] = {
    "kv_fraud_proofs: unknown offence": RootNotFalse,
    "kv_fraud_proofs: wrong length": RootNotFalse,
    "kv_fraud_proofs: not posted": RootNotFalse,
    "kv_fraud_proofs: seat was silent": RootNotFalse,
    "kv_fraud_proofs: seat of another": RootNotFalse,
    "kv_fraud_proofs: nobody's key": RootNotFalse,
    "root_claims: too large": RootNotFalse,
    "root_claims: same root": RootNotFalse,
    "root_claims: wrong signature": RootNotFalse,
}
