"""A contract imports interfaces, shared modules, snekmate, ethereum.ercs and its own folder alone.

CamelCase files are deployed and import; snake_case files are imported and never deploy themselves.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
IMPORT = re.compile(r"^(?:from\s+(\S+)\s+import\s+(\w+)|import\s+(\S+))", re.MULTILINE)
FREE = ("snekmate", "ethereum.ercs")


def faults_of(path: Path) -> list[str]:
    """Forbidden imports of one file, as sentences."""
    name = path.relative_to(ROOT)
    folder = path.parent.name
    faults = []
    for match in IMPORT.finditer(path.read_text()):
        source = match.group(1) or match.group(3)
        allowed = (
            source.startswith(FREE)
            or source in ("..interfaces", "..shared")
            or (source == "." and match.group(2) and not match.group(2)[0].isupper())
            or (source == "." and folder == "interfaces")
        )
        if folder == "shared" and source == "..interfaces":
            faults.append(f"{name}: a shared module knows no domain's interface ({match.group(2)})")
        elif not allowed:
            faults.append(
                f"{name}: {match.group(0)!r}: only interfaces, shared, snekmate, its folder"
            )
    deploys = "@deploy" in path.read_text() and path.suffix == ".vy"
    is_deployable = path.stem[0].isupper() and path.suffix == ".vy"
    if is_deployable and not deploys:
        faults.append(f"{name}: CamelCase is deployed, but it has no constructor")
    if is_deployable and "# pragma nonreentrancy on" not in path.read_text():
        faults.append(f"{name}: a deployable starts with `# pragma nonreentrancy on`")
    if "# pragma version 0.4.3" not in path.read_text().splitlines()[:3]:
        faults.append(f"{name}: pin the compiler with `# pragma version 0.4.3` on top")
    return faults


def main() -> int:
    files = sorted([*CONTRACTS.rglob("*.vy"), *CONTRACTS.rglob("*.vyi")])
    faults = [fault for path in files for fault in faults_of(path)]
    sys.stdout.write("".join(fault + "\n" for fault in faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
