"""What can go wrong at the client of storage: on the way in, on the way out, and with its keys.

InvalidInput  SourceInvalid      storage.source.invalid      no file, no bytes, a link, a bad name
InvalidInput  MetadataInvalid    storage.metadata.invalid    Croissant or safetensors that is wrong
InvalidInput  TargetUnusable     storage.target.unusable     where to write is not free
Conflict      SourceChanged      storage.source.changed      not the bytes that the root was made of
Conflict      PriceAboveLimit    storage.price.above_limit   it costs more than the caller allows
Conflict      PlanUnknown        storage.plan.unknown        nothing to resume under this id
Conflict      FileNotStored      storage.file.not_stored     refunded, lost, void, closed
NotFound      FileUnknown        storage.file.unknown        no such id or root
NotFound      KeyMissing         storage.key.missing         encrypted, and its key is not here
Unavailable   InsufficientShards storage.shards.insufficient fewer rows than the code needs
Unavailable   NotEnoughHeld      storage.held.not_enough     too few seats signed
Unavailable   NoGroup            storage.group.none          no group takes files of this term
Corrupt       FrameTampered      storage.frame.tampered      a sealed frame does not open
Corrupt       ArtefactMalformed  storage.artefact.malformed  no manifest that may be followed
Corrupt       FileContradicted   storage.file.contradicted   a file is not what the manifest says
Corrupt       PutJournalCorrupt  storage.journal.corrupt     a plan on disk contradicts itself

Source: docs/protocol/storage.md#client.
"""

from offchain.core.errors import Conflict, Corrupt, InvalidInput, NotFound, Unavailable


class SourceInvalid(InvalidInput):
    """What is to be stored cannot be stored."""

    code = "storage.source.invalid"
    next_step = "Name a readable file or folder with bytes in it, without links or special files."


class MetadataInvalid(InvalidInput):
    """The metadata that goes with the files is wrong."""

    code = "storage.metadata.invalid"
    next_step = "Correct the field that the message names; nothing was paid."


class TargetUnusable(InvalidInput):
    """There is no place to write to."""

    code = "storage.target.unusable"
    next_step = "Name a path that is free, in a folder that exists."


class SourceChanged(Conflict):
    """The source is not what the root was made of; nothing of the change was sent."""

    code = "storage.source.changed"
    next_step = "Put the old content back and resume, or store the new content as a new file."


class PriceAboveLimit(Conflict):
    """It costs more than the caller allows; nothing was paid."""

    code = "storage.price.above_limit"
    next_step = "Allow more with --max-price, or choose a shorter term or another profile."


class PlanUnknown(NotFound):
    """There is nothing to resume under this id."""

    code = "storage.plan.unknown"
    next_step = "See `apogee storage ls --open` for what can be resumed."


class FileNotStored(Conflict):
    """The file's bytes are owed by nobody."""

    code = "storage.file.not_stored"
    next_step = "Read the state in the message; what was paid and not used is its owner's credit."


class FileUnknown(NotFound):
    """No file has this id or root."""

    code = "storage.file.unknown"
    next_step = "Check the id and the network; `apogee storage ls` shows what this account stores."


class KeyMissing(NotFound):
    """The file is encrypted and its key is not in this keystore."""

    code = "storage.key.missing"
    next_step = "Read it where it was stored from, or have its owner wrap the key to yours."


class InsufficientShards(Unavailable):
    """Fewer rows than the code needs could be had."""

    code = "storage.shards.insufficient"
    next_step = "Try again later; `apogee storage stat` shows which seats do not answer."


class NotEnoughHeld(Unavailable):
    """Too few seats have signed that they hold their shard."""

    code = "storage.held.not_enough"
    next_step = "Resume later; what is paid stays paid, or comes back after the confirm limit."


class NoGroup(Unavailable):
    """No open group of this profile takes a file of this size and term."""

    code = "storage.group.none"
    next_step = "Choose a shorter term or another profile, or wait until a group is drawn."


class FrameTampered(Corrupt):
    """A sealed frame does not open with this key: it is not what its owner sealed."""

    code = "storage.frame.tampered"
    next_step = "Do not use these bytes; the key or the content is not the owner's."


class ArtefactMalformed(Corrupt):
    """The artefact has no manifest that may be followed."""

    code = "storage.artefact.malformed"
    next_step = "Do not unpack it; `apogee storage get --raw` writes the bytes as they are stored."


class FileContradicted(Corrupt):
    """A file of the artefact is not what its manifest says."""

    code = "storage.file.contradicted"
    next_step = "Do not use these bytes; whoever stored them wrote a false manifest."


class PutJournalCorrupt(Corrupt):
    """A plan on this disk contradicts itself."""

    code = "storage.journal.corrupt"
    next_step = "Store the file again; what was paid under this plan comes back after its limit."
