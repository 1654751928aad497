"""Generate offchain/chain/abi/<Contract>.json from the contracts, or check that they are fresh.

Usage: build_abi.py [--check]
Each file holds: name, abi, integrity (vyper's hash over every source that went in), layout_hash
(keccak-256 of the canonical storage layout) and runtime_bytes. Builds are cached in .build/abi.
Exit: 0 fresh or written; 1 stale (with --check), too large for EIP-170, or not compiling.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sha3 import keccak_256

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "contracts"
OUTPUT = ROOT / "offchain" / "chain" / "abi"
CACHE = ROOT / ".build" / "abi"
MAX_RUNTIME_BYTES = 24_576  # EIP-170
CREATION = "creation_code"  # in the cache alone
VYPER = Path(sys.executable).parent / "vyper"


def deployables() -> list[Path]:
    """Every contract that is deployed: CamelCase files outside interfaces and shared."""
    return sorted(path for path in CONTRACTS.rglob("*.vy") if path.stem[0].isupper())


def source_digest() -> str:
    """One digest over every source and this script; any change compiles anew."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted([*CONTRACTS.rglob("*.vy"), *CONTRACTS.rglob("*.vyi")]):
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()


def compile_contract(path: Path, sources: str) -> dict[str, Any]:
    """Compile one deployable; raises RuntimeError with the compiler's words."""
    cached = CACHE / f"{path.stem}-{sources[:32]}.json"
    if cached.exists():
        return json.loads(cached.read_text())
    wanted = "abi,layout,integrity,bytecode_runtime,bytecode"
    command = [str(VYPER), "-f", wanted, str(path.relative_to(ROOT))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{path.relative_to(ROOT)} does not compile\n{done.stderr.strip()}")
    abi, layout, integrity, runtime, creation = done.stdout.strip().splitlines()
    canonical = json.dumps(json.loads(layout), sort_keys=True, separators=(",", ":"))
    built = {
        "name": path.stem,
        "abi": json.loads(abi),
        "integrity": integrity,
        "layout_hash": "0x" + keccak_256(canonical.encode()).hexdigest(),
        "runtime_bytes": len(bytes.fromhex(runtime.removeprefix("0x")))
        + immutable_bytes(json.loads(layout).get("code_layout", {})),
        CREATION: creation,
    }
    CACHE.mkdir(parents=True, exist_ok=True)
    for stale in CACHE.glob(f"{path.stem}-*.json"):
        stale.unlink(missing_ok=True)
    fresh = cached.with_suffix(f".{os.getpid()}.tmp")  # others may compile it at this moment
    fresh.write_text(json.dumps(built))
    fresh.rename(cached)
    return built


def creation_code(name: str) -> bytes:
    """What deploys a contract, without arguments; compiled unless the cache has these sources."""
    [path] = [path for path in deployables() if path.stem == name]
    code: str = compile_contract(path, source_digest())[CREATION]
    return bytes.fromhex(code.removeprefix("0x"))


def immutable_bytes(places: dict[str, Any]) -> int:
    """Bytes of immutables, which the constructor appends to the code; modules nest."""
    ends = [
        place["offset"] + place["length"] if "offset" in place else immutable_bytes(place)
        for place in places.values()
    ]
    return max(ends, default=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, fail when stale")
    arguments = parser.parse_args()
    sources = source_digest()
    problems: list[str] = []
    with ThreadPoolExecutor(2) as pool:
        jobs = {path: pool.submit(compile_contract, path, sources) for path in deployables()}
    for path, job in jobs.items():
        try:
            built = job.result()
        except RuntimeError as error:
            problems.append(str(error))
            continue
        sys.stdout.write(
            f"{path.stem:18} {built['runtime_bytes']:6} of {MAX_RUNTIME_BYTES} bytes\n"
        )
        if built["runtime_bytes"] > MAX_RUNTIME_BYTES:
            problems.append(f"{path.stem} is larger than EIP-170 allows")
        problems += write_or_compare(built, check=arguments.check)
    kept = {path.stem for path in jobs}
    for orphan in sorted(OUTPUT.glob("*.json")):
        if orphan.stem not in kept:
            problems.append(f"{orphan.relative_to(ROOT)} has no contract: delete it")
    sys.stdout.write("".join(problem + "\n" for problem in problems))
    return 1 if problems else 0


def write_or_compare(built: dict[str, Any], *, check: bool) -> list[str]:
    """Write one ABI file, or report that the one in the tree differs."""
    file = OUTPUT / f"{built['name']}.json"
    told = {key: value for key, value in built.items() if key != CREATION}
    text = json.dumps(told, indent=1, sort_keys=True) + "\n"
    if check:
        fresh = file.exists() and file.read_text() == text
        return [] if fresh else [f"{file.relative_to(ROOT)} is stale: run `make abi`"]
    OUTPUT.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return []


if __name__ == "__main__":
    sys.exit(main())
