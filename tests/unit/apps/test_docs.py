"""What the pages say exists: commands with their flags, linked pages with their headings, paths."""

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Final

import pytest
import typer.main
from typer.core import TyperGroup

from offchain.apps.cli import app

ROOT: Final = Path(__file__).resolve().parents[3]
PAGES: Final = sorted(
    [ROOT / "README.md", ROOT / "contracts/README.md", *ROOT.glob("docs/**/*.md")]
)
TREE: Final = typer.main.get_command(app)
LAUNCHER: Final = {"test", "check", "set-up"}  # words of the script `apogee` itself
FENCE: Final = re.compile(r"^```.*?$(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED: Final = re.compile(r"^    (\S.*)$", re.MULTILINE)
PYTHON: Final = re.compile(r"^```python$(.*?)^```$", re.MULTILINE | re.DOTALL)
CODE: Final = re.compile(r"`([^`\n]+)`")
COMMAND: Final = re.compile(r"^(?:\$ )?(?:[A-Z_0-9]+=\S+ )*(?:\./)?apogee ([a-z-].+)$")
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
ANCHOR: Final = re.compile(r'<a (?:id|name)="([^"]+)"')
FOLDERS: Final = "apogee|benchmarks|contracts|deployments|docs|offchain|scripts|tests"
PATH: Final = re.compile(rf"(?<![\w/.-])(?:{FOLDERS})/[A-Za-z0-9_./-]*[A-Za-z0-9_]")


def _said(text: str) -> Iterator[str]:
    """Lines of code blocks, continued ones joined, and code within sentences."""
    joined = re.sub(r" *\\\n *", " ", text)
    for block in FENCE.findall(joined):
        yield from block.splitlines()
    prose = FENCE.sub("", joined)
    yield from INDENTED.findall(prose)
    yield from CODE.findall(prose)


def _commands(text: str) -> Iterator[list[str]]:
    """The words after `apogee` of every command, each alternative of `a|b` as its own."""
    for line in _said(text):
        found = COMMAND.match(line.strip())
        if found is None:
            continue
        said = (
            re.split(r" (?:\||>|&&|&|#) |\s+#|;", found[1])[0].replace("[", " ").replace("]", " ")
        )
        words = shlex.split(re.sub(r"<\w+>", "X", said).rstrip(" \\&."))
        for one in product(*(word.split("|") for word in words)):
            yield list(one)


def _fault(words: list[str]) -> str | None:
    """What a command names that does not exist."""
    if words[0] in LAUNCHER:
        return None
    here = TREE
    flags = {"--help"}
    for word in words:
        name = word.split("=")[0]
        flags |= {flag for one in here.params for flag in (*one.opts, *one.secondary_opts)}
        if word.startswith("-") and not re.fullmatch(r"-[\d.]+", word):
            if name not in flags:
                return f"no flag {name}"
        elif isinstance(here, TyperGroup) and word in here.commands:
            here = here.commands[word]
        elif isinstance(here, TyperGroup) and not here.invoke_without_command:
            return f"no command {word}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page__commands__exist_with_their_flags(page: Path) -> None:
    faults = {" ".join(words): _fault(words) for words in _commands(page.read_text())}

    assert {said: fault for said, fault in faults.items() if fault} == {}


def test_commands_of_the_pages__are_found_at_all() -> None:
    count = sum(len(list(_commands(page.read_text()))) for page in PAGES)

    assert count > 300
    assert _fault(["da", "put", "FILE", "--jason"]) == "no flag --jason"
    assert _fault(["da", "pot", "FILE"]) == "no command pot"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page__python__imports_what_there_is(page: Path) -> None:
    missing = []
    for block in PYTHON.findall(page.read_text()):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("offchain"):
                module = importlib.import_module(str(node.module))
                missing += [name.name for name in node.names if not hasattr(module, name.name)]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page__links__lead_somewhere(page: Path) -> None:
    dead = []
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        name, _, heading = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (heading and heading not in _headings(target)):
            dead.append(link)

    assert dead == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page__paths_of_the_tree__exist(page: Path) -> None:
    named = {
        path
        for code in CODE.findall(page.read_text())
        for path in PATH.findall(code)
        if not re.search(r"[<{*]|\bX\b", code)
    }

    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def _headings(page: Path) -> set[str]:
    """The anchors that a page's headings make."""
    text = page.read_text()
    plain = (re.sub(r"[^\w\- ]", "", title.lower()).strip() for title in HEADING.findall(text))
    return {title.replace(" ", "-") for title in plain} | set(ANCHOR.findall(text))
