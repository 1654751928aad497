"""What a DA contract's refusal means: revert reasons and their errors.

One class for each thing a caller can do about it; the reason itself stays in the error's fields.
Source: docs/protocol/da.md#life-of-a-blob.
"""

from collections.abc import Mapping
from typing import Final

from offchain.core.errors import ApogeeError, Conflict, Rejected, Unavailable
from offchain.da.model import FeeInvalid, TermsInvalid


class AlreadyPaid(Conflict):
    """The blob was paid before; its id is spent."""

    code = "da.blob.already_paid"
    next_step = "Read the blob's record and go on from its state; a new salt makes a new blob."


class NotPaid(Conflict):
    """The blob is not PAID: never paid, confirmed already, or refunded."""

    code = "da.blob.not_paid_state"
    next_step = "Read the blob's record; only a PAID blob is confirmed or refunded."


class NotVoidable(Conflict):
    """Only a PAID or CONFIRMED blob is voided, once."""

    code = "da.blob.not_voidable"
    next_step = "Read the blob's record; REFUNDED and VOID are final."


class NotWired(Rejected):
    """Only one contract may do this, and it was named once."""

    code = "da.wiring.refused"


class PoolTooSmall(Conflict):
    """The pool holds less than the reward."""

    code = "da.pool.too_small"


class CertificateLate(Conflict):
    """The confirmation window is over."""

    code = "da.certificate.late"
    next_step = "Have the fee refunded, then pay again with a new salt."


class RefundEarly(Conflict):
    """A certificate may still arrive."""

    code = "da.refund.early"
    next_step = "Wait until the record's deadline has passed."


class SeedNotReady(Unavailable):
    """The block that seeds the assignment is not there yet, or no longer remembered."""

    code = "da.certificate.no_block_hash"
    next_step = "Wait for the block after the payment and the one behind it."


class CertificateInvalid(Rejected):
    """The certificate does not show enough signed slices of the blob's quorum."""

    code = "da.certificate.invalid"
    next_step = "Collect signatures over the digest of the blob's attestation and list the rest."


class TooLittleGas(Rejected):
    """The gas left would not let every certificate of the batch be judged."""

    code = "da.certificate.too_little_gas"
    next_step = "Send the batch with 400,000 gas a certificate and 10,000 an absent signer."


class PaymentInvalid(Rejected):
    """The payment contradicts the blob it pays for."""

    code = "da.payment.invalid"
    next_step = "Pay the quoted fee, as the blob's payer, for the commitment that the blob names."


class DisperserInvalid(Rejected):
    """No staked operator answers for the encoding."""

    code = "da.disperser.invalid"
    next_step = "Name an operator with DA stake; it pays itself or signs the dispersal digest."


class PaymentsPaused(Conflict):
    """Governance has stopped new payments."""

    code = "da.payment.paused"
    next_step = "Wait; certificates, refunds and withdrawals go on."


class NothingToWithdraw(Conflict):
    """No credit belongs to the caller, or no receiver was named."""

    code = "da.credit.none"


class EpochNotDrawn(Unavailable):
    """No table serves this epoch yet."""

    code = "da.epoch.not_drawn"
    next_step = "Draw the current epoch's table; anybody may."


class EpochDrawn(Conflict):
    """The epoch has its table."""

    code = "da.epoch.already_drawn"
    next_step = "Read the table of the epoch."


class DrawInvalid(Rejected):
    """The page does not continue the one table that members and seed allow."""

    code = "da.draw.invalid"
    next_step = "Read members and weights at the epoch and begin again at position 0."


class MembershipConflict(Conflict):
    """The operator is, or is not, a member already; or all seats are taken."""

    code = "da.membership.conflict"


class NotEligible(Rejected):
    """Only an operator with DA stake and an endpoint can be a member."""

    code = "da.membership.not_eligible"
    next_step = "Register, join the DA service in StakeManager, then join here."


class NoSuchSigner(Rejected):
    """The table has no such quorum, signer, slot or row."""

    code = "da.table.no_such_signer"


class EquivocationUnproven(Rejected):
    """The evidence does not show two digests signed by one operator's key."""

    code = "da.evidence.unproven"
    next_step = "Send two attestations of one blob and seed with both signatures of one key."


class ChallengeRefused(Rejected):
    """Nobody answers for this leaf: not confirmed, expired, no such place, owner absent."""

    code = "da.challenge.refused"
    next_step = "Challenge a row of a confirmed blob whose owner signed, with the blob's own seed."


class ChallengeTaken(Conflict):
    """The leaf is challenged already, its row was punished, or too many wait for this signer."""

    code = "da.challenge.taken"
    next_step = "Read the open challenge and wait for its end, or choose another leaf."


class BondTooLow(Rejected):
    """The bond does not cover the answer at this block's base fee."""

    code = "da.challenge.bond_too_low"
    next_step = "Read `bond` and send some more: what exceeds it is credited back."


class NoOpenChallenge(Conflict):
    """No such challenge is open: never opened, answered, closed or reclaimed."""

    code = "da.challenge.not_open"


class AnswerLate(Conflict):
    """The answer window is over."""

    code = "da.challenge.answer_late"


class ChallengeEarly(Conflict):
    """An answer, or the court, may still come."""

    code = "da.challenge.too_early"
    next_step = "Wait until the challenge's deadline has passed."


class PathInvalid(Rejected):
    """The leaf or row does not lie there under the blob's root."""

    code = "da.challenge.path_invalid"
    next_step = "Send the frame of that leaf, or the row with its ten siblings and coset roots."


class EncodingSound(Rejected):
    """The row or leaf shown is what an honest encoding has there."""

    code = "da.fraud.encoding_sound"


class ProofInvalid(Rejected):
    """The opening does not show what the blob's commitment is at the row's point."""

    code = "da.fraud.proof_invalid"
    next_step = "Open the blob's own commitment at z_i; send C, the value and the proof."


class NotAnnounced(Conflict):
    """The proof was not announced by its sender in an earlier block."""

    code = "da.fraud.not_announced"
    next_step = "Send `commit`, wait for the next block, then send the proof from the same account."


class NothingToConvict(Conflict):
    """The blob is void and this row has no signer left to punish."""

    code = "da.fraud.nothing_to_convict"


class SampleRefused(Rejected):
    """The blob serves nobody now, or the row is not the caller's to answer for."""

    code = "da.sample.refused"
    next_step = "Answer for rows of confirmed, unexpired blobs that this operator has signed."


class RoundNotOpen(Conflict):
    """The present round has not been opened yet, or the answer's round is over."""

    code = "da.sample.round_not_open"
    next_step = "Send `open_round`, then look for leaves that win under the new seed."


class RoundFull(Conflict):
    """All rewards of this round are taken."""

    code = "da.sample.round_full"
    next_step = "Wait for the next round."


class LeafLost(Rejected):
    """The leaf's digest is above the round's target."""

    code = "da.sample.no_win"


class LeafWonAlready(Conflict):
    """The leaf has won this round before."""

    code = "da.sample.won_already"


SIGNERS: Final[Mapping[str, type[ApogeeError]]] = {
    "membership: already a member": MembershipConflict,
    "membership: not a member": MembershipConflict,
    "membership: full": MembershipConflict,
    "da_signers: not an operator": NotEligible,
    "da_signers: no DA stake": NotEligible,
    "da_signers: no endpoint": NotEligible,
    "da_signers: has DA stake": MembershipConflict,
    "da_signers: not this epoch": DrawInvalid,
    "da_signers: empty page": DrawInvalid,
    "da_signers: page too long": DrawInvalid,
    "table_draw: no weight": DrawInvalid,
    "table_draw: not the next page": DrawInvalid,
    "table_draw: other total weight": DrawInvalid,
    "table_draw: ranks not rising": DrawInvalid,
    "table_draw: total weight too low": DrawInvalid,
    "table_draw: total weight too high": DrawInvalid,
    "epoch_tables: already drawn": EpochDrawn,
    "epoch_tables: not drawn": EpochNotDrawn,
    "da_signers: no such row": NoSuchSigner,
    "da_signers: no such quorum": NoSuchSigner,
    "quorum_table: no such signer": NoSuchSigner,
    "quorum_table: no such slot": NoSuchSigner,
    "da_signers: cut absent list": CertificateInvalid,
    "da_signers: absent not rising": CertificateInvalid,
    "quorum_table: not that signer": CertificateInvalid,
}
ENTRANCE: Final[Mapping[str, type[ApogeeError]]] = {
    **SIGNERS,
    "blob_records: already paid": AlreadyPaid,
    "blob_records: not paid": NotPaid,
    "blob_records: not voidable": NotVoidable,
    "da_entrance: not the challenges": NotWired,
    "da_entrance: not the sampling": NotWired,
    "da_entrance: wired already": NotWired,
    "da_entrance: no contract": NotWired,
    "fee_ledger: pool too small": PoolTooSmall,
    "da_entrance: too late": CertificateLate,
    "da_entrance: too early": RefundEarly,
    "da_entrance: no block hash": SeedNotReady,
    "da_entrance: too few slices": CertificateInvalid,
    "da_entrance: wrong signature": CertificateInvalid,
    "da_entrance: too little gas": TooLittleGas,
    "da_entrance: paused": PaymentsPaused,
    "da_entrance: not the payer": PaymentInvalid,
    "da_entrance: wrong columns": PaymentInvalid,
    "da_entrance: wrong commitment": PaymentInvalid,
    "da_entrance: fee too low": PaymentInvalid,
    "da_entrance: no such disperser": DisperserInvalid,
    "da_entrance: disperser unstaked": DisperserInvalid,
    "da_entrance: not authorised": DisperserInvalid,
    "fee_ledger: nothing to withdraw": NothingToWithdraw,
    "fee_ledger: no receiver": NothingToWithdraw,
    "blob_terms: empty payload": FeeInvalid,
    "blob_terms: payload too large": FeeInvalid,
    "blob_terms: no retention": FeeInvalid,
    "blob_terms: retention too long": FeeInvalid,
    "blob_terms: price out of range": TermsInvalid,
    "blob_terms: confirm > N": TermsInvalid,
    "blob_terms: confirm < 2/3 N": TermsInvalid,
    "blob_terms: confirm - safety < K": TermsInvalid,
    "blob_terms: unbonding too short": TermsInvalid,
    "blob_terms: evidence window too short": TermsInvalid,
}
ROW_PATHS: Final[Mapping[str, type[ApogeeError]]] = {
    "row_path: wrong length": PathInvalid,
    "row_path: no such place": PathInvalid,
    "row_path: not under the root": PathInvalid,
    "row_tree: wrong length": PathInvalid,
}
CHALLENGES: Final[Mapping[str, type[ApogeeError]]] = {
    **ROW_PATHS,
    "da_challenges: unknown offence": EquivocationUnproven,
    "da_challenges: nobody's key": EquivocationUnproven,
    "da_challenges: never paid": EquivocationUnproven,
    "equivocation: wrong length": EquivocationUnproven,
    "equivocation: same digest": EquivocationUnproven,
    "equivocation: same receipt": EquivocationUnproven,
    "equivocation: wrong signature": EquivocationUnproven,
    "ecdsa: invalid signature": EquivocationUnproven,
    "ecdsa: invalid signature `s` value": EquivocationUnproven,
    "da_challenges: not confirmed": ChallengeRefused,
    "da_challenges: expired": ChallengeRefused,
    "da_challenges: wrong certificate": ChallengeRefused,
    "da_challenges: no such leaf": ChallengeRefused,
    "da_challenges: owner was absent": ChallengeRefused,
    "da_signers: no such row": ChallengeRefused,
    "da_challenges: punished already": ChallengeTaken,
    "challenge_book: open already": ChallengeTaken,
    "challenge_book: too many open": ChallengeTaken,
    "da_challenges: bond too low": BondTooLow,
    "challenge_book: not open": NoOpenChallenge,
    "da_challenges: too late": AnswerLate,
    "da_challenges: answer may come": ChallengeEarly,
    "da_challenges: court may judge": ChallengeEarly,
    "bond_ledger: nothing to withdraw": NothingToWithdraw,
    "bond_ledger: no receiver": NothingToWithdraw,
    "bond_ledger: receiver refused": NothingToWithdraw,
}
FRAUD_PROOFS: Final[Mapping[str, type[ApogeeError]]] = {
    **ROW_PATHS,
    "da_fraud_proofs: unknown offence": EquivocationUnproven,
    "da_fraud_proofs: row is sound": EncodingSound,
    "da_fraud_proofs: leaf is sound": EncodingSound,
    "da_fraud_proofs: no opening": ProofInvalid,
    "da_fraud_proofs: other commitment": ProofInvalid,
    "da_fraud_proofs: wrong opening": ProofInvalid,
    "da_fraud_proofs: wrong certificate": ProofInvalid,
    "da_signers: no such row": ProofInvalid,
    "da_fraud_proofs: committed already": NotAnnounced,
    "da_fraud_proofs: not announced": NotAnnounced,
    "da_fraud_proofs: void already": NothingToConvict,
    "blob_records: not voidable": NothingToConvict,
    "court: punished already": NothingToConvict,
    "court: evidence too late": NothingToConvict,
    "court: nothing at stake": NothingToConvict,
}
SAMPLING: Final[Mapping[str, type[ApogeeError]]] = {
    **ROW_PATHS,
    "da_sampling: not available": SampleRefused,
    "da_sampling: wrong certificate": SampleRefused,
    "da_sampling: owner was absent": SampleRefused,
    "da_sampling: not your row": SampleRefused,
    "da_sampling: pool is empty": PoolTooSmall,
    "sampling_rounds: not open": RoundNotOpen,
    "sampling_rounds: all won": RoundFull,
    "sampling_rounds: no win": LeafLost,
    "sampling_rounds: won already": LeafWonAlready,
}
