"""Write docs/performance.md from measured rows: `./apogee bench all --json | performance_page.py`.

A row takes the place of the row of its name; the others stay as they were measured, so that figures
that need a quiet machine and figures that do not may be taken apart. All of them come from machines
of one kind, named on the page. `--drop NAME` forgets a row that is not measured any more.
"""

import argparse
import json
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "performance.md"
HEAD = """# Performance

Every figure comes from `benchmarks/` and is repeated by the command beside it. Written by
`./apogee bench all --json | .venv/bin/python scripts/performance_page.py`. MB is 10^6 bytes of
payload. `baseline` is another way of doing the same, timed in the same run; encoding and decoding
count the CPU time of one thread.

"""
TABLE_HEAD = ["| row | value | unit | bar | met | baseline | ratio | command |", "|" + "---|" * 8]
AREAS = {  # title of a table: the first words of its rows' names
    "Data availability": ("da",),
    "Storage": ("storage", "kv"),
    "Compute": ("compute", "gateway"),
    "Attestation": ("attest",),
    "Agents": ("agents",),
    "Staking": ("staking",),
    "Chain": ("chain",),
    "Demonstration": ("demo",),
}


def machine() -> str:
    """The machine in words: processor, cores, system, Python."""
    model = platform.processor() or platform.machine()
    cores = 0
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        model, cores = (names[0] if names else model), len(names)
    return f"{model}, {cores} cores; {platform.system()}, Python {platform.python_version()}"


def shown(value: object) -> str:
    """A number with three meaningful digits, a dash for none."""
    if value is None:
        return "-"
    if isinstance(value, float) and abs(value) < 1_000:
        return f"{value:.3g}"
    return f"{round(float(str(value))):,}"


def table(rows: list[dict[str, object]]) -> dict[str, str]:
    """One area's rows by their names."""
    lines = {}
    for row in rows:
        met = {None: "-", True: "yes", False: "**no**"}[row["ok"]]  # type: ignore[index]
        cells = [
            f"`{row['name']}`",
            shown(row["value"]),
            str(row["unit"]),
            str(row["bar"] or "-"),
            met,
            shown(row["baseline"]),
            shown(row["ratio"]),
            f"`{row['command']}`",
        ]
        lines[str(row["name"])] = "| " + " | ".join(cells) + " |"
    return lines


def standing(body: str) -> dict[str, str]:
    """The rows of a table on the page by their names."""
    return {line.split("`")[1]: line for line in body.splitlines() if line.startswith("| `")}


def sections(page: str) -> dict[str, str]:
    """What stands under each heading of a page."""
    parts = page.split("\n## ")[1:]
    return {
        title.strip(): body.strip() for title, _, body in (one.partition("\n") for one in parts)
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drop", action="append", default=[], metavar="NAME")
    dropped = set(parser.parse_args().drop)
    rows = json.load(sys.stdin)
    before = sections(PAGE.read_text()) if PAGE.exists() else {}
    lines = [f"Machine: {machine()}.", ""]
    for title, words in AREAS.items():
        chosen = [row for row in rows if str(row["name"]).split(".")[0] in words]
        merged = {**standing(before.get(title, "")), **table(chosen)}
        kept = [line for name, line in merged.items() if name not in dropped]
        lines += [f"## {title}", "", *TABLE_HEAD, *kept, ""] if kept else []
    if "Notes" in before:
        lines += ["## Notes", "", before["Notes"], ""]
    PAGE.write_text(HEAD + "\n".join(lines).rstrip() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
