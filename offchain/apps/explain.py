"""`apogee explain CODE`: what an error means, why it happens, what to do; read from the classes.

CODE is a code (`stake.service_unknown`), a class (`ServiceUnknown`), or a contract's revert reason
(`da_entrance: wrong columns`). Nothing is written down twice: the text is the classes' own.
"""

import importlib
import inspect
import logging
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import offchain
from offchain.apps.exit_codes import ExitCode, exit_code_of
from offchain.apps.output import print_json, print_result, print_table
from offchain.core.errors import KINDS, ApogeeError, NotFound
from offchain.jobs.model import Handling
from offchain.jobs.retry import handling_of
from offchain.node.http_face import status_of

JOB_HANDLING: Final = {
    Handling.DROP: "dropped",
    Handling.REPORT: "dropped and reported",
    Handling.RETRY: "tried again, ever later",
    Handling.STOP: "stopped until a person looked",
}
PACKAGES: Final = ("core", "chain", "staking", "da", "jobs", "gateway", "sdk", "apps")


class CodeUnknown(NotFound):
    """No error has this code, class name or revert reason."""

    code = "explain.code_unknown"
    next_step = "Run `apogee explain` for all of them; a code is the word in parentheses."


@dataclass(frozen=True, slots=True)
class Explanation:
    """One error, for people and for programs."""

    code: str
    name: str
    kind: type[ApogeeError]
    meaning: str
    cause: str
    next_step: str
    reasons: tuple[str, ...]  # of contracts, that become this error
    where: str

    def as_json(self) -> dict[str, object]:
        return {
            "code": self.code,
            "name": self.name,
            "kind": self.kind.__name__,
            "meaning": self.meaning,
            "cause": self.cause,
            "next_step": self.next_step,
            "exit_code": int(exit_code_of(self.kind())),
            "http_status": int(status_of(self.kind())),
            "job": JOB_HANDLING[handling_of(self.kind())],
            "revert_reasons": list(self.reasons),
            "where": self.where,
        }


def explain(wanted: str | None, *, as_json: bool) -> int:
    """Print one error, or a line for each. Raises: CodeUnknown."""
    found = explanations()
    if wanted is None:
        _print_all(found, as_json=as_json)
        return ExitCode.DONE
    matching = [one for one in found if wanted in (one.code, one.name, *one.reasons)]
    if not matching:
        raise CodeUnknown(code=wanted[:100], alike=", ".join(_alike(wanted, found)) or "none")
    exact = min(matching, key=lambda one: (one.code != wanted, one.name != wanted))
    told = exact.as_json()
    if not as_json:
        told |= {"revert_reasons": "; ".join(exact.reasons) or "none"}
    print_result(told, as_json=as_json)
    return ExitCode.DONE


def explanations() -> list[Explanation]:
    """Every error of the project, by code."""
    _import_everything()
    reasons = _reasons()
    found = [_explain(one, reasons.get(one, ())) for one in _classes()]
    return sorted(found, key=lambda one: (one.code, one.name))


def _explain(error: type[ApogeeError], reasons: tuple[str, ...]) -> Explanation:
    meaning, _, rest = inspect.cleandoc(error.__doc__ or error.__name__).partition("\n")
    kind = next((one for one in KINDS if issubclass(error, one)), ApogeeError)
    general = inspect.cleandoc(kind.__doc__ or "").splitlines()[0]
    return Explanation(
        code=error.code,
        name=error.__name__,
        kind=kind,
        meaning=meaning,
        cause=" ".join(rest.split()) or general,
        next_step=error.next_step,
        reasons=reasons,
        where=error.__module__,
    )


def _classes() -> list[type[ApogeeError]]:
    found: list[type[ApogeeError]] = []
    waiting: list[type[ApogeeError]] = [ApogeeError]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting.extend(one.__subclasses__())
    return [one for one in found if one.__module__.startswith("offchain.")]


def _reasons() -> dict[type[ApogeeError], tuple[str, ...]]:
    """The revert reasons of every contract client, by the class they become."""
    from offchain.chain.contract import ContractClient

    told: dict[type[ApogeeError], set[str]] = {}
    for client in ContractClient.__subclasses__():
        reverts: Mapping[str, type[ApogeeError]] = client.reverts
        for reason, error in reverts.items():
            told.setdefault(error, set()).add(reason)
    return {error: tuple(sorted(reasons)) for error, reasons in told.items()}


def _import_everything() -> None:
    """Errors stand beside what raises them, so every module of the layers is imported."""
    logging.getLogger("numba").setLevel(logging.ERROR)
    for layer in PACKAGES:
        for module in pkgutil.walk_packages(
            [f"{path}/{layer}" for path in offchain.__path__], f"offchain.{layer}."
        ):
            importlib.import_module(module.name)


def _alike(wanted: str, found: list[Explanation]) -> list[str]:
    """A few codes that share a word with what was asked for."""
    words = {word for word in wanted.lower().replace(".", " ").split() if len(word) > 2}
    codes = {one.code for one in found if any(word in one.code for word in words)}
    return sorted(codes)[:6]


def _print_all(found: list[Explanation], *, as_json: bool) -> None:
    if as_json:
        print_json([one.as_json() for one in found])
        return
    cells = [(one.code, one.kind.__name__, one.meaning) for one in found]
    print_table("apogee explain CODE says more", ("code", "kind", "meaning"), cells)
