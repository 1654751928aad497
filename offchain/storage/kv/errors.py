"""Why the key-value layer refuses.

InvalidInput  OpMalformed, KeyInvalid      NotFound  StreamNotFollowed, RootNotHere, SnapshotMissing
Conflict      SeqGap, SnapshotOld, RootChanged, SeatNotOurs   Rejected  ProofWrong, OpRefused
Unavailable   PayloadUnavailable, ReplicaBehind, BatcherFull   Corrupt  RootMismatch, StateCorrupt
Source: docs/protocol/storage.md#key-value-streams.
"""

from offchain.core.errors import Conflict, Corrupt, InvalidInput, NotFound, Rejected, Unavailable


class OpMalformed(InvalidInput):
    """These bytes are no operation, or its fields are out of bounds."""

    code = "kv.op.malformed"
    next_step = "Build operations with offchain.storage.kv.op; its docstring has the table."


class KeyInvalid(InvalidInput):
    """A key has 1 to 1,024 bytes, a value at most 65,536."""

    code = "kv.key.invalid"
    next_step = "Shorten the key, or store the value as a file and refer to it."


class OpTooLong(InvalidInput):
    """The batcher takes no operations of this length."""

    code = "kv.op.too_long"
    next_step = "Store the value as a file and refer to it, or ask a node that publishes blobs."


class RequestInvalid(InvalidInput):
    """A parameter of the request is not what the route takes."""

    code = "kv.request"
    next_step = "GET /v1/kv/openapi.json says what each parameter must be."


class StreamNotFollowed(NotFound):
    """No such stream is followed here, or nobody created it."""

    code = "kv.stream.not_followed"
    next_step = "Create it with `apogee kv create`, or ask a node that follows it."


class EntryUnknown(NotFound):
    """The log has no entry of this number that this replica knows."""

    code = "kv.entry.unknown"


class VersionGone(NotFound):
    """The state asked for is not the one this replica stands at."""

    code = "kv.state.gone"
    next_step = "Ask without `at`, or ask a replica that stands at that entry."


class RootNotHere(NotFound):
    """No final root of the stream after that entry is known here."""

    code = "kv.root.not_here"
    next_step = "Ask for the newest one, or a replica that stands at that entry."


class SeatNotOurs(Conflict):
    """The operator has no seat in that replica group, or the epoch is not this one."""

    code = "kv.root.not_our_seat"
    next_step = "Ask the operators of the group, in this epoch."


class RootChanged(Conflict):
    """A root of this entry, or of a later one, was signed already."""

    code = "kv.root.signed"
    next_step = "Ask for a later entry."


class SeqGap(Conflict):
    """An entry does not follow the one before it."""

    code = "kv.entry.gap"
    next_step = "Read the log again from the last applied entry."


class SnapshotMissing(NotFound):
    """No snapshot of this stream is kept here."""

    code = "kv.snapshot.missing"
    next_step = "Ask another replica, or replay the stream from the log."


class SnapshotOld(Conflict):
    """The store already holds this stream, or is ahead of the snapshot."""

    code = "kv.snapshot.old"
    next_step = "Load snapshots into an empty store."


class OpRefused(Rejected):
    """The operation would have no effect when it is replayed."""

    code = "kv.op.refused"
    next_step = "The outcome in the message says why; sign a new operation."


class ProofWrong(Rejected):
    """What a replica answered does not lie under the root it named."""

    code = "kv.proof.wrong"
    next_step = "Do not use the value; ask another replica."


class RootUnknown(Rejected):
    """The replica answered from a state that nobody vouches for."""

    code = "kv.root.unknown"
    next_step = "Ask for label `final`, or wait until the root is posted."


class AnswerMalformed(Rejected):
    """What a replica answered is not in the format of this protocol."""

    code = "kv.answer.malformed"
    next_step = "Ask another replica."


class PayloadUnavailable(Unavailable):
    """The bytes of a batch are not here yet."""

    code = "kv.payload.unavailable"
    next_step = "Nothing to do: the replica asks again; data availability holds the bytes."


class ReplicaUnreachable(Unavailable):
    """A replica does not answer."""

    code = "kv.replica.unreachable"
    next_step = "Ask another replica of this stream."


class ReplicaBehind(Unavailable):
    """A replica has not applied what the log has held for a while."""

    code = "kv.replica.behind"
    next_step = "Ask another replica of this stream, or look at that node's log."


class BatcherFull(Unavailable):
    """The batcher holds as many operations as it may."""

    code = "kv.batcher.full"
    next_step = "Try again in a moment, or append an inline batch to the log yourself."


class StoreFailed(Unavailable):
    """The store did not take a commit; nothing of it was kept."""

    code = "kv.store.failed"
    next_step = "Look at the disk the replica's folder is on."


class JournalCorrupt(Corrupt):
    """The batcher's journal has a wrong record before its end."""

    code = "kv.journal.corrupt"
    next_step = "Restore the folder from a copy; promises in it can no longer be told."


class RootMismatch(Corrupt):
    """A snapshot or a state does not have the root it claims."""

    code = "kv.root.mismatch"
    next_step = "Do not use it; fetch it from another source."


class StateCorrupt(Corrupt):
    """A record of the store cannot be read."""

    code = "kv.state.corrupt"
    next_step = "Remove the replica's folder and load a snapshot; the log has everything."
