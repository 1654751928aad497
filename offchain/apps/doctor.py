"""`apogee doctor`: what is wrong here, each line OK, WARN or FAIL with what to type.

Looks at this machine (Python, packages, compiler, disk), at this home (processes, ports, keys,
alarms) and at its chain (clock, precompiles, contracts). It changes nothing without `--fix`.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from offchain.apps.exit_codes import ExitCode
from offchain.apps.home import Home
from offchain.apps.output import print_json, print_table, say
from offchain.core.errors import ApogeeError


class Level(StrEnum):
    """How bad a finding is."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: `next` is what to type, empty when all is well."""

    check: str
    level: Level
    detail: str
    next: str = ""


Check = Callable[[Home], Iterable[Finding]]
Repair = Callable[[Home], list[str]]


def examine(home: Home, checks: Iterable[Check]) -> list[Finding]:
    """Every finding; a check that fails itself is a finding too."""
    findings: list[Finding] = []
    for check in checks:
        try:
            findings.extend(check(home))
        except ApogeeError as error:
            name = check.__name__.removeprefix("check_")
            findings.append(Finding(name, Level.FAIL, str(error), error.next_step))
    return findings


def run_doctor(home: Home, *, fix: bool, as_json: bool) -> int:
    """Examine, print; 6 when something FAILs, so that a script can wait for health."""
    from offchain.apps.doctor_chain import CHAIN_CHECKS
    from offchain.apps.doctor_home import HOME_CHECKS, repair_home
    from offchain.apps.doctor_machine import MACHINE_CHECKS

    if fix:
        for line in repair_home(home):
            say(f"repaired: {line}")
    findings = examine(home, [*MACHINE_CHECKS, *HOME_CHECKS, *CHAIN_CHECKS])
    worst = _worst(findings)
    if as_json:
        print_json({"worst": worst, "findings": [asdict(finding) for finding in findings]})
    else:
        rows = [(one.level, one.check, one.detail, one.next) for one in findings]
        print_table("", ("", "check", "found", "type this"), rows)
    return ExitCode.UNAVAILABLE if worst is Level.FAIL else ExitCode.DONE


def _worst(findings: list[Finding]) -> Level:
    levels = {finding.level for finding in findings}
    return next((level for level in (Level.FAIL, Level.WARN) if level in levels), Level.OK)
