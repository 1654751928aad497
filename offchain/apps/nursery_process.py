"""The nursery: imports what nodes need, proves the kernels once, and forks on request.

Run as `python -m offchain.apps.nursery_process SOCKET HOME`; messages are JSON, one a packet:
  -> {"ready": true}                            imports are done
  <- {"load": [module, ...]}                    import more
  <- {"words": [...], "name": str} + log, pipe  fork and run `apogee WORDS`
  -> {"pid": int}                               of the fork; 0 where it could not be made
An exit status goes into the pipe of its fork as decimal digits, negative for a signal. It ends when
the socket closes. A fork of a process with several threads may hang on a lock that one of them
held, so it forks only while it has one.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from offchain.jobs.lifeline import lifeline_to

LOADED: Final = (
    "offchain.apps.da_node",
    "offchain.apps.storage_node",
    "offchain.apps.auditor",
    "offchain.apps.relayer",
    "offchain.apps.gateway",
    "offchain.apps.worker",
    "offchain.apps.cli",
)
MOST_BYTES: Final = 65_536
PR_SET_NAME: Final = 15
NAME_BYTES: Final = 15  # as much as the kernel keeps
ARGUMENTS_AT: Final = 45  # in /proc/self/stat, after the name: where the command line begins, ends


@dataclass(slots=True)
class Nursery:
    """The socket to the supervisor, and the pipe of every fork that runs."""

    supervisor: socket.socket
    pipes: dict[int, int] = field(default_factory=dict)

    def serve(self) -> list[str] | None:
        """In the nursery None, once the supervisor is gone; in a fork the words of its command."""
        heard, tell = os.pipe()
        os.set_blocking(tell, False)
        os.set_blocking(heard, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
        asked = self.supervisor.fileno()
        while True:
            readable, _, _ = select.select([asked, heard], [], [])
            if heard in readable:
                os.read(heard, MOST_BYTES)
                self._reap()
            if asked not in readable:
                continue
            raw, files, _, _ = socket.recv_fds(
                self.supervisor, MOST_BYTES, 2, socket.MSG_CMSG_CLOEXEC
            )
            if not raw:
                return None
            message = json.loads(raw)
            if "load" in message:
                _load_more(message["load"])
            elif self._fork(message, files):
                signal.set_wakeup_fd(-1)
                os.close(heard)
                os.close(tell)
                return [str(word) for word in message["words"]]

    def _fork(self, message: dict[str, Any], files: list[int]) -> bool:
        """True in the fork, which then leads its own session and writes to its own log."""
        log, pipe = files
        parent = os.getpid()
        begun, begin = os.pipe()
        child = _fork_alone()
        if child == 0:
            os.setsid()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            ask = lifeline_to(parent)
            if ask:
                ask()
            os.dup2(log, 1)
            os.dup2(log, 2)
            _show_as(str(message["name"]), [str(word) for word in message["words"]])
            os.write(begin, b"1")
            for number in (log, pipe, begun, begin, *self.pipes.values()):
                os.close(number)
            self.supervisor.close()
            return True
        os.close(begin)
        os.close(log)
        if child is None:
            os.close(pipe)
        else:
            os.read(begun, 1)  # from here on it leads its group and can be signalled
            self.pipes[child] = pipe
        os.close(begun)
        self.supervisor.send(json.dumps({"pid": child or 0}).encode())
        return False

    def _reap(self) -> None:
        """Tell the status of every fork that has ended."""
        while self.pipes:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                return
            pipe = self.pipes.pop(pid)
            try:
                os.write(pipe, str(os.waitstatus_to_exitcode(status)).encode())
            except BrokenPipeError:
                pass  # the supervisor does not ask any more
            finally:
                os.close(pipe)


def _fork_alone() -> int | None:
    """0 in the fork, its pid here; None when there are threads that it would lack, or no room."""
    threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    if threads > 1:
        sys.stderr.write(f"not forked: {threads} threads\n")
        return None
    gc.freeze()  # what stands here is shared with forks, unless a collection writes to it
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        return os.fork()
    except OSError:
        traceback.print_exc()
        return None


def _load(modules: list[str] | tuple[str, ...]) -> None:
    for module in modules:
        importlib.import_module(module)


def _load_more(modules: list[str]) -> None:
    """Import ahead of need; what cannot be imported fails in the fork that needs it."""
    try:
        _load(modules)
    except (ImportError, OSError):
        traceback.print_exc()


def _show_as(name: str, words: list[str]) -> None:
    """Be called by its own name in `top`, and by its own command line in `ps`."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode()[:NAME_BYTES], 0, 0, 0)
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = (int(one) for one in fields[ARGUMENTS_AT : ARGUMENTS_AT + 2])
    room = end - begin
    if begin and room > 0:  # the kernel shows what stands there, and zeros as the end
        shown = b"\0".join(word.encode() for word in ("apogee", *words))[: room - 1]
        ctypes.memmove(begin, shown.ljust(room, b"\0"), room)


def main() -> int:
    supervisor = socket.socket(fileno=int(sys.argv[1]))
    supervisor.set_inheritable(False)
    _load(LOADED)
    from offchain.core.erasure.choose import choose_engine, processor_engines

    # Not a device's: what is opened on one does not outlive a fork. Forks prove theirs themselves.
    choose_engine(processor_engines()[0])
    supervisor.send(b'{"ready": true}')
    words = Nursery(supervisor).serve()
    if words is None:
        return 0
    sys.argv = ["apogee", *words]
    from offchain.apps.cli import main as run

    return run(words)


if __name__ == "__main__":
    sys.exit(main())
