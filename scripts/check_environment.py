"""Our own lint rules: things a reviewer said twice.

- the environment is read in offchain/apps/settings.py alone
- every Python module says in one docstring what it is
- no file is called after nothing (helpers, common, ...); no file grows past its size
- tests name actors by role, wait for nothing, and patch nothing of ours
- nothing in the tree names a machine's paths, or code that is to come
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "base"}
MAX_LINES = 600
MAY_BE_LONGER: dict[str, str] = {
    "contracts/staking/StakeManager.vy": "one address serves the ledger; its rules are modules",
}
ENVIRONMENT_READERS = {
    "offchain/apps/settings.py",
    "tests/conftest.py",  # the profile
}
RULES: tuple[tuple[str, re.Pattern[str], str], ...] = (
    (
        "offchain",
        re.compile(r"os\.environ|os\.getenv"),
        "read settings in offchain/apps/settings.py",
    ),
    (
        "tests",
        re.compile(r"\b(alice|bob|charlie)\b"),
        "name actors by role: operator, delegator, stranger",
    ),
    (
        "tests",
        re.compile(r"unittest\.mock|MagicMock|mocker\.|monkeypatch\.setattr"),
        "use a real part or a shipped adapter",
    ),
    ("tests", re.compile(r"\btime\.sleep\("), "advance the clock or wait for a condition"),
    ("", re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))"), "a plan belongs in an issue"),
    ("", re.compile(r"(?<![\w.])/(?:home|Users|root|work)/\w"), "no machine paths"),
)


def tracked() -> list[Path]:
    """Files git knows or would know."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    paths = [ROOT / line for line in listed.stdout.splitlines()]
    return [path for path in paths if path.is_file()]


def faults_of(path: Path) -> list[str]:
    """Every fault of one file, as sentences."""
    name = path.relative_to(ROOT).as_posix()
    if path.suffix not in {".py", ".vy", ".vyi", ".md"} or name == "scripts/check_environment.py":
        return []
    text = path.read_text()
    faults = []
    if path.stem in FORBIDDEN_NAMES:
        faults.append(f"{name}: name the file after what it holds")
    lines = text.count("\n")
    if path.suffix != ".md" and lines > MAX_LINES and name not in MAY_BE_LONGER:
        faults.append(f"{name}: {lines} lines; cut it by what it is about")
    if path.suffix == ".py" and text.strip() and ast.get_docstring(ast.parse(text)) is None:
        faults.append(f"{name}: say in a module docstring what this is")
    for folder, pattern, advice in RULES:
        if folder and not name.startswith(folder + "/"):
            continue
        if "os" in pattern.pattern and name in ENVIRONMENT_READERS:
            continue
        for match in pattern.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            faults.append(f"{name}:{line} {match.group(0)!r}: {advice}")
    return faults


def main() -> int:
    faults = [fault for path in tracked() for fault in faults_of(path)]
    sys.stdout.write("".join(fault + "\n" for fault in faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
