"""One word, five places: every contract has its partners, every invariant its test.

- deployable, interface, ABI, `<Contract>Client` in offchain/<domain>/onchain*.py, tests folder and
  a mention in docs/protocol/<domain>.md go together; no client without a contract
- every `**INV-DA-n**` in docs/protocol has a test whose name holds `inv_da_n`; `[next]` behind
  the number marks an invariant whose mechanism is not part of this version
- every path that docs/architecture.md and README.md name exists
- every revert reason of a contract stands in a test
- every test that a protocol page names in backticks is defined
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
INVARIANT = re.compile(r"\*\*INV-([A-Z]+)-(\d+)(?: \[next\])?\*\*")
NEXT = re.compile(r"\*\*INV-([A-Z]+)-(\d+) \[next\]\*\*")
NAMED_TEST = re.compile(r"`(test_[a-z0-9_]+__[a-z0-9_]+|Test[A-Z]\w+)`")
REASON = re.compile(r'(?:assert [^\n]*?|raise )"([a-z0-9_]+: [^"]+)"')


def snake(name: str) -> str:
    """`DASigners` -> `da_signers`, `StakeManager` -> `stake_manager`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def contract_faults() -> Iterator[str]:
    """Contracts without a partner, partners without a contract."""
    names = set()
    for path in sorted(CONTRACTS.rglob("*.vy")):
        if not path.stem[0].isupper():
            continue
        name, domain = path.stem, path.parent.name
        names.add(name)
        clients = sorted((ROOT / "offchain" / domain).glob("onchain*.py"))
        if not any(f"class {name}Client" in client.read_text() for client in clients):
            yield f"{name}: no offchain/{domain}/onchain*.py has class {name}Client"
        partners = {
            f"contracts/interfaces/I{name}.vyi": None,
            f"offchain/chain/abi/{name}.json": None,
            f"tests/contracts/{domain}/{snake(name)}": None,
            f"docs/protocol/{domain}.md": name,
        }
        for partner, mention in partners.items():
            file = ROOT / partner
            if not file.exists():
                yield f"{name}: {partner} is missing"
            elif mention and mention not in file.read_text():
                yield f"{name}: {partner} does not name {mention!r}"
    for client in sorted((ROOT / "offchain").glob("*/onchain*.py")):
        for match in re.finditer(r"^class (\w+)Client\b", client.read_text(), re.MULTILINE):
            if match.group(1) not in names:
                yield f"{client.relative_to(ROOT)}: {match.group(0)} has no contract"


def tests_text() -> str:
    """Every test file's text, joined."""
    return "\n".join(path.read_text() for path in sorted((ROOT / "tests").rglob("*.py")))


def invariant_faults(tests: str) -> Iterator[str]:
    """Invariants without a test, tests of invariants nobody states."""
    stated: set[tuple[str, str]] = set()
    for page in sorted((ROOT / "docs" / "protocol").glob("*.md")):
        text = page.read_text()
        later = {match.groups() for match in NEXT.finditer(text)}
        for match in INVARIANT.finditer(text):
            domain, number = match.groups()
            stated.add((domain.lower(), number))
            named = re.compile(rf"inv(?:ariant)?_{domain.lower()}_{number}(?!\d)")
            if (domain, number) not in later and not named.search(tests):
                yield f"{page.relative_to(ROOT)}: INV-{domain}-{number} has no test"
    for match in re.finditer(r"inv(?:ariant)?_([a-z]+)_(\d+)(?!\d)", tests):
        if match.groups() not in stated:
            yield f"tests name {match.group(0)}, which no protocol page states"


def path_faults() -> Iterator[str]:
    """Paths a page names that do not exist."""
    for page in (ROOT / "docs" / "architecture.md", ROOT / "README.md", CONTRACTS / "README.md"):
        named = re.findall(
            r"`((?:contracts|offchain|tests|docs|scripts)/[\w./-]+)`", page.read_text()
        )
        for path in sorted(set(named)):
            if not (ROOT / path).exists():
                yield f"{page.relative_to(ROOT)}: names {path}, which does not exist"


def reason_faults(tests: str) -> Iterator[str]:
    """Revert reasons no test asserts."""
    for path in sorted(CONTRACTS.rglob("*.vy")):
        for reason in sorted(set(REASON.findall(path.read_text()))):
            if reason not in tests:
                yield f"{path.relative_to(ROOT)}: no test asserts {reason!r}"


def named_test_faults(tests: str) -> Iterator[str]:
    """Tests that a page promises and nobody wrote."""
    defined = set(re.findall(r"^(?:async )?def (test_\w+)\(", tests, re.MULTILINE))
    defined |= set(re.findall(r"^(Test\w+) = ", tests, re.MULTILINE))
    for page in sorted((ROOT / "docs" / "protocol").glob("*.md")):
        for name in sorted(set(NAMED_TEST.findall(page.read_text()))):
            if name not in defined:
                yield f"{page.relative_to(ROOT)}: names {name}, which is no test"


def main() -> int:
    tests = tests_text()
    faults = [
        *contract_faults(),
        *invariant_faults(tests),
        *path_faults(),
        *reason_faults(tests),
        *named_test_faults(tests),
    ]
    unique = sorted(set(faults))
    sys.stdout.write("".join(fault + "\n" for fault in unique))
    return 1 if unique else 0


if __name__ == "__main__":
    sys.exit(main())
