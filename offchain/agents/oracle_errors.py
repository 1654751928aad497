"""Why a delivery stops at an oracle, each with its stable code.

NotFound     OracleUnknown     agents.oracle.unknown        no oracle of this key answers here
Conflict     DeliveryFixed     agents.oracle.fixed          it was begun with other words
             NotDerivedYet     agents.oracle.not_derived    sign comes after derive
             EntryChanged      agents.oracle.entry_changed  the chain has another entry or epoch
Rejected     OrderRefused      agents.oracle.refused        not a delivery that an oracle makes
             CommitmentFalse   agents.oracle.commitment     a secret is not what was committed to
             OracleRefused     agents.oracle.said_no        an oracle said no
InvalidInput OracleFormBroken  agents.oracle.malformed      these bytes are no words of the protocol
Unavailable  OracleSilent      agents.oracle.silent         it does not answer, or too late
             OracleBusy        agents.oracle.busy           more at once than it takes
             TooFewOracles     agents.oracle.too_few        fewer agree than the agent's threshold
Corrupt      OracleInvalid     agents.oracle.invalid        it answers nonsense

None says anything of a key or of a bundle. Source: docs/protocol/agents.md#delivery-oracle.
"""

from offchain.core.errors import Conflict, Corrupt, InvalidInput, NotFound, Rejected, Unavailable


class OracleUnknown(NotFound):
    """No oracle of this key answers here."""

    code = "agents.oracle.unknown"
    next_step = "Read the enrolled oracles again: a process that started anew may have a new key."


class DeliveryFixed(Conflict):
    """The delivery was begun with other commitments, or signed with another file."""

    code = "agents.oracle.fixed"
    next_step = "Begin another delivery: a new nonce makes new keys."


class NotDerivedYet(Conflict):
    """The oracle has not made the new key yet, or was started anew since."""

    code = "agents.oracle.not_derived"
    next_step = "Ask it to derive again: it makes the same bytes."


class EntryChanged(Conflict):
    """The token's entry, epoch or threshold on chain is not the one that the order names."""

    code = "agents.oracle.entry_changed"
    next_step = "Read the token again and begin another delivery."


class OrderRefused(Rejected):
    """An oracle does not make this delivery."""

    code = "agents.oracle.refused"
    next_step = "Correct what the fields name: signers, deadline, keys or sizes."


class CommitmentFalse(Rejected):
    """A secret that was shared is not the one committed to."""

    code = "agents.oracle.commitment"
    next_step = "Leave out the oracle named above, and begin another delivery."


class OracleRefused(Rejected):
    """An oracle refused a step of a delivery."""

    code = "agents.oracle.said_no"
    next_step = "Read `remote_code`; the same command goes on, with other oracles if it must."


class OracleFormBroken(InvalidInput):
    """These bytes are not what oracles and their clients say to each other."""

    code = "agents.oracle.malformed"
    next_step = "The other side may be another version: docs/protocol/agents.md#delivery-oracle."


class OracleSilent(Unavailable):
    """An oracle does not answer, or too late."""

    code = "agents.oracle.silent"
    next_step = "Run the same command again: it goes on where it stopped, with others if it must."


class OracleBusy(Unavailable):
    """An oracle has as much to do as it takes at once."""

    code = "agents.oracle.busy"
    next_step = "Try again in some seconds."


class TooFewOracles(Unavailable):
    """Fewer enrolled oracles answer, or agree, than the agent's threshold asks for."""

    code = "agents.oracle.too_few"
    next_step = "`apogee agent oracles` shows who stands; try again when more do."


class OracleInvalid(Corrupt):
    """An oracle answers nonsense."""

    code = "agents.oracle.invalid"
    next_step = "Leave this oracle out; what it sent was not used."
