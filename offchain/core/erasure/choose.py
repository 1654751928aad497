"""Choose an erasure engine by processor feature and prove it against the integers before use."""

from offchain.core.erasure.engine import EngineUnknown, ErasureEngine
from offchain.core.erasure.reference import ReferenceEngine


def choose_engine(name: str | None = None) -> ErasureEngine:
    """The fastest engine this processor runs, or the one named.

    Raises: EngineUnknown for another name; EngineMismatch when the self-test fails.
    """
    if name in (None, "reference"):
        return ReferenceEngine()
    raise EngineUnknown(name=name)
