"""What the runtime of agents refuses, and what somebody can do about it."""

from offchain.core.errors import Conflict, Corrupt, InvalidInput, NotFound, Rejected, Unavailable


class BundleMalformed(InvalidInput):
    """A bundle's manifest, or a file it names, is not of the form."""

    code = "agents.bundle.malformed"
    next_step = "docs/how-to/build-an-agent.md shows a manifest; correct the field named here."


class BundleHoldsSecret(InvalidInput):
    """A bundle holds what looks like a private key or a mnemonic."""

    code = "agents.bundle.secret"
    next_step = "Remove it: an agent's money lies in its account. A hash goes into `public`."


class IntentInvalid(InvalidInput):
    """An intent is not of the form."""

    code = "agents.intent.invalid"
    next_step = "Give a goal, a budget above 0 and a deadline ahead; `--help` has an example."


class PlanInvalid(InvalidInput):
    """A skill is no plan that can be followed."""

    code = "agents.plan.invalid"
    next_step = "Correct the step named here; docs/how-to/build-an-agent.md lists the forms."


class ToolArgumentsWrong(InvalidInput):
    """A tool was asked with arguments that are not of its schema."""

    code = "agents.tool.arguments"
    next_step = "Ask again with arguments as the tool's schema wants them."


class NotAllowedToRun(Rejected):
    """Neither the agent's owner nor one of its authorised users asks."""

    code = "agents.run.not_allowed"
    next_step = "Buy or rent it: `apogee agent show ID` names its owner."


class ToolForbidden(Rejected):
    """The intent, or the bundle, does not allow this tool, file or host."""

    code = "agents.tool.forbidden"
    next_step = "Nothing was done. Who gave the intent may allow it with `--tool` in a new one."


class OverBudget(Rejected):
    """It would cost more than what is left of the intent's budget."""

    code = "agents.budget.over"
    next_step = "Nothing was signed. Give a new intent with a larger budget."


class CounterpartyForbidden(Rejected):
    """The intent does not allow to pay this account, or in this currency."""

    code = "agents.counterparty.forbidden"
    next_step = "Nothing was signed. Name it with `--pay` in a new intent."


class AgentStopped(Conflict):
    """The run has to stop: its limits or its rights are over."""

    code = "agents.run.stopped"
    next_step = "`reason` says why; when that has passed, the same command goes on."


class RunIsAnother(Conflict):
    """A run of this name has another intent."""

    code = "agents.run.another"
    next_step = "Give another `--run`, or the very intent it began with."


class ToolFailed(Unavailable):
    """A tool did not answer, or not in its form."""

    code = "agents.tool.failed"
    next_step = "The reason is in the message; what the tool said was not used."


class RunUnknown(NotFound):
    """There is no such run here."""

    code = "agents.run.unknown"
    next_step = "`apogee agent runs ID` lists the runs of this home."


class MemoryClosed(Rejected):
    """An entry of the memory is sealed with a key that is not in the bundle."""

    code = "agents.memory.closed"
    next_step = "It was written under an owner who did not hand his memory key over."


class MemoryForged(Corrupt):
    """An entry of the memory was not sealed by who holds its key."""

    code = "agents.memory.forged"
    next_step = "Do not use it; let the owner take the stream over again."


class JournalForeign(Corrupt):
    """A run's journal does not open with the agent's key."""

    code = "agents.run.journal"
    next_step = "Begin a new run; this one belongs to another bundle or epoch."


class RunLogWrong(Corrupt):
    """A run log contradicts itself, its signature or the chain."""

    code = "agents.run_log.wrong"
    next_step = "Do not believe it; the field named here does not hold."


class EnvelopeRefused(Rejected):
    """A message of another agent is not taken."""

    code = "agents.envelope.refused"
    next_step = "`reason` says why; a new message has to be signed."


class AskMalformed(InvalidInput):
    """What was said to an agent's host, or what it said, is not of the form."""

    code = "agents.ask.malformed"
    next_step = "docs/protocol/agents.md#serving has the form; `apogee agent ask` speaks it."


class HostBusy(Unavailable):
    """The agent's host does as much as it takes on."""

    code = "agents.host.busy"
    next_step = "Ask the same again in a moment: nothing was begun."


class CardWrong(Corrupt):
    """An agent's card contradicts the chain, or is not signed by who may speak for the agent."""

    code = "agents.card.wrong"
    next_step = "Do not ask there: whoever serves this URL cannot speak for that agent now."
