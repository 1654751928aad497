"""Tools in their own process: what is granted works, everything else is refused."""

import asyncio
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from offchain.agents.adapters.tool_process import ProcessTools
from offchain.agents.manifest import Capability
from offchain.agents.runtime_errors import ToolFailed, ToolForbidden
from offchain.agents.skills import Value
from offchain.agents.tools import BUILT_IN, Call, Tool


def run_tool(name: str, reach: Capability | None = None, **arguments: object) -> Value:
    tool = next(one for one in BUILT_IN if one.name == name)
    call = Call("act", tool, arguments, reach or Capability(name))
    return asyncio.run(ProcessTools().run(call))


def test_tool__a_granted_folder__is_read_and_written(tmp_path: Path) -> None:
    reach = Capability("x", read=(str(tmp_path),), write=(str(tmp_path / "out"),))
    (tmp_path / "out").mkdir()
    (tmp_path / "in.txt").write_text("hello")

    assert run_tool("file.read", reach, path=str(tmp_path / "in.txt")) == "hello"
    assert run_tool("file.write", reach, path=str(tmp_path / "out" / "a"), text="x") == "1 bytes"
    assert (tmp_path / "out" / "a").read_text() == "x"


def test_tool__outside_its_folders__is_refused(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (inside / "link").symlink_to(outside / "secret")
    reach = Capability("x", read=(str(inside),), write=(str(inside),))

    for path in (outside / "secret", inside / ".." / "out" / "secret", inside / "link"):
        with pytest.raises(ToolForbidden):
            run_tool("file.read", reach, path=str(path))
    with pytest.raises(ToolForbidden):
        run_tool("file.write", reach, path=str(outside / "made"), text="x")
    with pytest.raises(ToolForbidden):
        run_tool("file.read", path="/etc/passwd")
    assert not (outside / "made").exists()


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("Location", "http://127.0.0.1:1/")
        self.end_headers()
        self.wfile.write(b"page of " + self.path.encode())

    def log_message(self, *arguments: object) -> None:
        del arguments


@pytest.fixture
def site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_tool__a_granted_host__is_read_and_redirections_are_only_told(site: str) -> None:
    reach = Capability("web.get", hosts=(site,))

    assert "page of /a" in str(run_tool("web.get", reach, url=f"http://{site}/a"))
    assert '"status": 302' in str(run_tool("web.get", reach, url=f"http://{site}/away"))


def test_tool__another_host__is_refused(site: str) -> None:
    reach = Capability("web.get", hosts=("127.0.0.1:9",))

    for url in (f"http://{site}/a", f"http://127.0.0.1:9@{site}/", "file:///etc/passwd"):
        with pytest.raises(ToolForbidden):
            run_tool("web.get", reach, url=url)


def test_tool__what_does_not_end_or_says_too_much__is_cut() -> None:
    endless = Tool("calculate", "", BUILT_IN[2].schema, seconds=1)
    call = Call("act", endless, {"expression": "9" * 390}, Capability("calculate"))
    assert len(str(asyncio.run(ProcessTools().run(call)))) == 390
    with pytest.raises(ToolFailed):
        run_tool("calculate", expression="__import__('os')")
    with pytest.raises(ToolFailed):
        run_tool("calculate", expression="*".join(["9" * 900] * 4))


JAILED = """
import sys
sys.path.insert(0, {root!r})
from offchain.agents.adapters.tool_jail import Grant, shut
import os, socket, ctypes
print(shut(Grant([], [], []), seconds=5, memory=1 << 29))
def tried(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return "done"
print(tried(lambda: open("/etc/passwd")))
print(tried(lambda: os.listdir("/")))
print(tried(lambda: socket.create_connection(("127.0.0.1", 9))))
print(tried(lambda: socket.socket().bind(("127.0.0.1", 0))))
print(tried(lambda: os.system("true")))
print(tried(lambda: os.fork()))
print(tried(lambda: ctypes.CDLL(None)))
"""


def test_jail__whatever_the_code_tries__is_refused() -> None:
    import subprocess
    import sys

    root = str(Path(__file__).resolve().parents[3])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", JAILED.format(root=root)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    jail, *tried = done.stdout.split()
    assert jail in {"kernel", "interpreter"}
    assert set(tried) == {"PermissionError"}
    assert len(tried) == 7
