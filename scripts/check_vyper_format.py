"""Hold every contract to one layout: mamushi where it can parse the file, plain rules everywhere.

Usage: check_vyper_format.py [--fix]
mamushi 0.0.2b0 does not parse Vyper 0.4's integer division and hexadecimal byte literals, and it
moves comments out of structs; such files are held to the plain rules alone: 120 columns of code,
124 of prose, no tabs, no trailing blanks, one newline at the end, two blank lines before a
function, a licence line.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = 120
PROSE_COLUMNS = 124
STRUCT_COMMENT = re.compile(r"^struct \w+:\n(?:    .*\n)*?    \w+: [^\n#]*#", re.MULTILINE)
MAMUSHI = Path(sys.executable).parent / "mamushi"


def plain_faults(path: Path) -> list[str]:
    """Faults a person sees at once, as `file:line what`."""
    text = path.read_text()
    name = path.relative_to(ROOT)
    lines = text.split("\n")
    faults = [
        f"{name}:{number} {what}"
        for number, line in enumerate(lines, 1)
        for what, wrong in (
            ("too long", len(line) > limit_of(line)),
            ("trailing blank", line != line.rstrip()),
            ("tab", "\t" in line),
        )
        if wrong
    ]
    if not text.endswith("\n") or text.endswith("\n\n"):
        faults.append(f"{name}:{len(lines)} ends without exactly one newline")
    if "@license AGPL-3.0-only" not in text:
        faults.append(f"{name}:1 has no line `@license AGPL-3.0-only`")
    for match in re.finditer(r"(?<!\n\n)\n(?=(?:@\w+\n)+def )", text):
        before = text[: match.start()].rsplit("\n", 1)[-1]
        if not before.startswith(("@", "#")):
            line = text.count("\n", 0, match.end()) + 1
            faults.append(f"{name}:{line} needs two blank lines before a function")
    return faults


def limit_of(line: str) -> int:
    """Columns a line may have: a lone string (an EIP-712 type) cannot be broken."""
    if line.strip().startswith('"') and line.strip().endswith('"'):
        return len(line)
    is_code = re.search(r"[(:=]\s*$|^\s*(?:def|assert|log|return|@\w+$)\b|\s=\s", line)
    return COLUMNS if is_code else PROSE_COLUMNS


def mamushi_faults(paths: list[Path], *, fix: bool) -> list[str]:
    """What mamushi would change, for the files it can parse."""
    readable = [path for path in paths if not STRUCT_COMMENT.search(path.read_text())]
    names = [str(path.relative_to(ROOT)) for path in readable]
    command = [str(MAMUSHI), *([] if fix else ["--check"]), "-l", str(COLUMNS), *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = (done.stdout + done.stderr).splitlines()
    return [line for line in said if line.startswith("would reformat")]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fix", action="store_true", help="let mamushi rewrite what it can")
    arguments = parser.parse_args()
    contracts = sorted((ROOT / "contracts").rglob("*.vy"))
    faults = mamushi_faults(contracts, fix=arguments.fix)
    for path in [*contracts, *sorted((ROOT / "contracts").rglob("*.vyi"))]:
        faults += plain_faults(path)
    sys.stdout.write("".join(fault + "\n" for fault in faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
