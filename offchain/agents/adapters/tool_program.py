"""What runs inside a tool's process: reads one request, shuts itself in, does it, prints JSON.

Started by path with an isolated interpreter, so it finds the standard library and tool_jail.py
only. Request on stdin, one line:
  {"tool", "arguments", "read": [..], "write": [..], "hosts": [[address, port, name], ..],
   "seconds", "memory", "output"}
Answer on stdout: {"ok": value, "jail": ".."} or {"error": "..", "jail": ".."}.
"""

# ruff: noqa: PTH100, PTH105, PTH118, PTH120, PTH123
# pathlib doubles the start of a process that lives milliseconds.

import ast
import http.client
import json
import operator
import os
import sys
from collections.abc import Callable
from typing import Any

sys.path.insert(0, os.path.abspath(os.path.join(os.path.dirname(__file__), *[".."] * 3)))
from offchain.agents.adapters.tool_jail import Grant, connect, shut

_MATHS: dict[type[ast.operator], Callable[[int | float, int | float], int | float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_MOST_BITS = 4_096


class Asked:
    """One request with what it may reach."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.arguments = body["arguments"]
        self.hosts = {f"{name}:{port}": (address, port) for address, port, name in body["hosts"]}
        self.output = body["output"]
        self.seconds = body["seconds"]


def split_text(asked: Asked) -> list[str]:
    """Pieces of about the same length, cut at ends of paragraphs, lines or words."""
    text, most = asked.arguments["text"], asked.arguments.get("pieces", 4)
    out: list[str] = []
    rest = text
    for left in range(most, 0, -1):
        size = -(-len(rest) // left)
        cut = len(rest) if left == 1 else _cut(rest, size)
        piece, rest = rest[:cut].strip(), rest[cut:]
        if piece:
            out.append(piece)
    return out


def _cut(text: str, size: int) -> int:
    for mark in ("\n\n", "\n", ". ", " "):
        found = text.rfind(mark, size // 2, size)
        if found >= 0:
            return found + len(mark)
    return size


def count_words(asked: Asked) -> str:
    text = asked.arguments["text"]
    return json.dumps({"characters": len(text), "words": len(text.split())})


def calculate(asked: Asked) -> str:
    return str(_value(ast.parse(asked.arguments["expression"], mode="eval").body))


def _value(node: ast.AST) -> int | float:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in _MATHS:
        left, right = _value(node.left), _value(node.right)
        if any(isinstance(one, int) and one.bit_length() > _MOST_BITS for one in (left, right)):
            raise ValueError("numbers this large are not calculated")
        return _MATHS[type(node.op)](left, right)
    raise ValueError("numbers, + - * / // % and brackets only")


def read_file(asked: Asked) -> str:
    start, most = asked.arguments.get("start", 0), asked.arguments.get("bytes", 65_536)
    with open(asked.arguments["path"], "rb") as file:
        file.seek(start)
        return file.read(min(most, asked.output)).decode(errors="replace")


def write_file(asked: Asked) -> str:
    """Whole or not at all; the same text again changes nothing."""
    path, text = asked.arguments["path"], asked.arguments["text"].encode()
    part = f"{path}.part"
    with open(part, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    return f"{len(text)} bytes"


def get_page(asked: Asked) -> str:
    """GET over HTTP from a granted place; a redirection is told, never followed."""
    url = asked.arguments["url"]
    if not url.startswith("http://"):
        raise PermissionError("http:// to granted hosts only")
    place, _, path = url[7:].partition("/")
    if place not in asked.hosts:
        raise PermissionError(f"a tool may not connect to {place[:80]}")
    address, port = asked.hosts[place]
    link = http.client.HTTPConnection(place.rpartition(":")[0], port, timeout=asked.seconds)
    link.sock = connect(address, port, asked.seconds)
    link.request("GET", "/" + path, headers={"Host": place, "Connection": "close"})
    answer = link.getresponse()
    text = answer.read(asked.output // 2).decode(errors="replace")
    return json.dumps({"status": answer.status, "text": text})


TOOLS = {
    "text.split": split_text,
    "text.count": count_words,
    "calculate": calculate,
    "file.read": read_file,
    "file.write": write_file,
    "web.get": get_page,
}


def main() -> int:
    body = json.loads(sys.stdin.buffer.readline(1 << 24))
    hosts = [(address, port) for address, port, _ in body["hosts"]]
    grant = Grant(body["read"], body["write"], hosts)
    jail = shut(grant, seconds=body["seconds"], memory=body["memory"])
    try:
        said = {"ok": TOOLS[body["tool"]](Asked(body))}
    except Exception as error:  # noqa: BLE001 - whatever it is, the caller is told and ends this
        said = {"error": f"{type(error).__name__}: {error}"[:400]}
    sys.stdout.write(json.dumps({**said, "jail": jail}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
