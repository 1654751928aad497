"""The table of roles in contracts/README.md names every function that changes state, once."""

import json
import re
from collections import Counter
from pathlib import Path

ROW = re.compile(r"^\| (\w+) \| ([\w' ]+) \| ((?:`\w+` ?)+)\|$", re.MULTILINE)


def stated_functions(readme: str) -> Counter[tuple[str, str]]:
    return Counter(
        (contract, name)
        for contract, _, names in ROW.findall(readme)
        for name in re.findall(r"`(\w+)`", names)
    )


def changing_functions(abi_folder: Path) -> set[tuple[str, str]]:
    found = set()
    for path in sorted(abi_folder.glob("*.json")):
        built = json.loads(path.read_text())
        for entry in built["abi"]:
            if entry["type"] == "fallback":
                found.add((built["name"], "__default__"))
            elif entry["type"] == "function" and entry["stateMutability"] in {
                "nonpayable",
                "payable",
            }:
                found.add((built["name"], entry["name"]))
    return found


def test_role_table__compared_with_the_abis__names_every_changing_function_once(
    project_root: Path,
) -> None:
    stated = stated_functions((project_root / "contracts" / "README.md").read_text())

    changing = changing_functions(project_root / "offchain" / "chain" / "abi")

    assert changing == set(stated)
    assert {1} == set(stated.values())
