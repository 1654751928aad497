"""What StorageProofs' refusal means: revert reasons and their errors.

One class for each thing a caller can do about it; the reason itself stays in the error's fields.
Source: docs/protocol/storage.md#proofs.
"""

from collections.abc import Mapping
from typing import Final

from offchain.core.errors import ApogeeError, Conflict, Rejected


class ProofEarly(Conflict):
    """The epoch has not begun."""

    code = "storage.proof.too_early"


class ProofLate(Conflict):
    """The answer window is over."""

    code = "storage.proof.too_late"


class ProvenAlready(Conflict):
    """The seat has shown its leaf of this epoch."""

    code = "storage.proof.already"


class ProofOfOther(Rejected):
    """The proof is true, but of another file, segment, row, leaf or seat than was drawn."""

    code = "storage.proof.other_place"
    next_step = "Draw the place anew at the newest block and show the leaf that lies there."


class ProofPathInvalid(Rejected):
    """The segment is not in the file, or the leaf not under the segment."""

    code = "storage.proof.path_invalid"
    next_step = "Send the segment's path under the file root and the leaf frame of that row."


class MissEarly(Conflict):
    """An answer may still come."""

    code = "storage.miss.too_early"
    next_step = "Wait until the answer window has passed."


class MissSettled(Conflict):
    """The epoch of this seat was punished already, or is too old to be."""

    code = "storage.miss.settled"


class NotChallenged(Rejected):
    """Nobody had to show anything: not drawn, nothing owed, nobody's seat."""

    code = "storage.miss.not_challenged"


class DemandRefused(Rejected):
    """No seat owes this leaf."""

    code = "storage.demand.refused"
    next_step = "Demand a leaf that the seat keeps of a file it signed for and still owes."


class DemandTaken(Conflict):
    """The leaf is demanded already, or too many demands wait for the operator."""

    code = "storage.demand.taken"


class DemandBondTooLow(Rejected):
    """The bond does not cover the answer at this block's base fee."""

    code = "storage.demand.bond_too_low"
    next_step = "Read `bond` and send some more: what exceeds it is credited back."


class NoOpenDemand(Conflict):
    """No such demand is open: never opened, answered or closed."""

    code = "storage.demand.not_open"


class NotYourSeat(Rejected):
    """Only the operator that holds a seat can give it up."""

    code = "storage.seat.not_yours"


class CodewordSound(Rejected):
    """The row shown is what an honest encoding has there, or nothing shows that it is not."""

    code = "storage.void.sound"


class CreditEmpty(Conflict):
    """No credit belongs to the caller, or no receiver was named or took it."""

    code = "storage.credit.none"


PROOFS: Final[Mapping[str, type[ApogeeError]]] = {
    "storage_proofs: not begun": ProofEarly,
    "storage_proofs: too late": ProofLate,
    "storage_proofs: proven already": ProvenAlready,
    "storage_proofs: another leaf": ProofOfOther,
    "storage_proofs: another file": ProofOfOther,
    "storage_proofs: skipped is owed": ProofOfOther,
    "storage_proofs: too many attempts": ProofOfOther,
    "storage_proofs: no such seat": ProofOfOther,
    "segment_path: wrong length": ProofPathInvalid,
    "segment_path: no such segment": ProofPathInvalid,
    "segment_path: not in the file": ProofPathInvalid,
    "row_path: wrong length": ProofPathInvalid,
    "row_path: no such place": ProofPathInvalid,
    "row_path: not under the root": ProofPathInvalid,
    "row_tree: wrong length": ProofPathInvalid,
    "storage_proofs: answer may come": MissEarly,
    "leaf_demands: answer may come": MissEarly,
    "storage_proofs: punished already": MissSettled,
    "storage_proofs: suspect already": MissSettled,
    "seat_standing: too old": MissSettled,
    "court: evidence too late": MissSettled,
    "storage_proofs: not challenged": NotChallenged,
    "storage_proofs: drawn once": NotChallenged,
    "storage_proofs: nobody's seat": NotChallenged,
    "storage_proofs: not owed": NotChallenged,
    "challenge_draw: nothing is kept": NotChallenged,
    "leaf_demands: not owed": DemandRefused,
    "leaf_demands: no such seat": DemandRefused,
    "leaf_demands: never signed": DemandRefused,
    "leaf_demands: no such leaf": DemandRefused,
    "leaf_demands: nobody's seat": DemandRefused,
    "leaf_demands: bond too low": DemandBondTooLow,
    "leaf_demands: too late": ProofLate,
    "open_demands: open already": DemandTaken,
    "open_demands: too many open": DemandTaken,
    "open_demands: not open": NoOpenDemand,
    "penalties: nobody's seat": NotYourSeat,
    "penalties: not your seat": NotYourSeat,
    "row_opening: no opening": CodewordSound,
    "row_opening: other commitment": CodewordSound,
    "row_opening: wrong opening": CodewordSound,
    "row_opening: row is sound": CodewordSound,
    "credits: nothing to withdraw": CreditEmpty,
    "credits: no receiver": CreditEmpty,
    "credits: receiver refused": CreditEmpty,
}
