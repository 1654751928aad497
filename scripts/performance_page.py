"""Write docs/performance.md from measured rows: `./apogee bench all --json | performance_page.py`.

Every figure on the page comes from one run of the benchmarks on one machine, named on the page.
"""

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
AREAS = {"da": "Data availability", "staking": "Staking", "chain": "Chain", "demo": "Demonstration"}


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


def table(rows: list[dict[str, object]]) -> list[str]:
    """One area's rows."""
    lines = ["| row | value | unit | bar | met | baseline | ratio | command |", "|" + "---|" * 8]
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
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def main() -> int:
    rows = json.load(sys.stdin)
    lines = [f"Machine: {machine()}.", ""]
    for area, title in AREAS.items():
        chosen = [row for row in rows if str(row["name"]).split(".")[0] == area]
        if chosen:
            lines += [f"## {title}", "", *table(chosen), ""]
    notes = PAGE.read_text().split("## Notes", 1) if PAGE.exists() else []
    tail = "## Notes" + notes[1] if len(notes) == 2 else ""
    PAGE.write_text(HEAD + "\n".join(lines).rstrip() + "\n" + ("\n" + tail if tail else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
