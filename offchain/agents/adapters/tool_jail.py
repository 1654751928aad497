"""Shuts the process it runs in: files and connections that were not granted are refused.

Two locks, each enough for what it sees: the kernel's Landlock (files below granted folders, TCP to
granted ports; inherited by children, not to be undone), and an audit hook of the interpreter
(paths, connections, processes, native code), which also works where the kernel has no Landlock.
Runs with the standard library alone: the interpreter of a tool sees nothing else.
"""

# ruff: noqa: PTH110, PTH113
# pathlib doubles the start of a process that lives milliseconds.

import ctypes
import os
import resource
import socket
import struct
import sys
from collections.abc import Callable

Arguments = tuple[object, ...]
_RULESET, _ADD_RULE, _RESTRICT = 444, 445, 446
_NO_NEW_PRIVILEGES = 38
_PATH_BENEATH, _NET_PORT = 1, 2
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_WRITE = (1 << 1) | (1 << 5) | (1 << 8) | (1 << 14)  # write, remove, make a file, truncate
_CONNECT_TCP = 1 << 1
_ALL_NET = 3
_FILES_BY_VERSION = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # how many rights each version knows
_OPENING = {"open", "os.listdir", "os.scandir"}
_CHANGING = {
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.truncate",
    "os.chmod",
    "os.chown",
    "os.utime",
    "shutil.rmtree",
}
_NEVER = {
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "pty.spawn",
    "ctypes.dlopen",
    "ctypes.dlsym",
    "socket.bind",
    "socket.sendto",
    "socket.sendmsg",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "sys.addaudithook",
}


class Grant:
    """What a tool may reach: folders or files to read and to write, (address, port) to connect."""

    def __init__(self, read: list[str], write: list[str], hosts: list[tuple[str, int]]) -> None:
        self.read = [os.path.realpath(one) for one in read]
        self.write = [os.path.realpath(one) for one in write]
        self.hosts = {(address, port) for address, port in hosts}

    def may(self, path: str, *, is_write: bool) -> bool:
        real = os.path.realpath(path)
        folders = self.write if is_write else self.read + self.write
        return any(real == one or real.startswith(one.rstrip("/") + "/") for one in folders)


def shut(grant: Grant, *, seconds: int, memory: int) -> str:
    """Limit this process for good; says which locks hold: `kernel` or `interpreter`."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
    is_locked = sys.platform == "linux" and _landlock(grant)
    sys.addaudithook(_hook(grant))
    return "kernel" if is_locked else "interpreter"


def _hook(grant: Grant) -> Callable[[str, Arguments], None]:
    def look(event: str, arguments: Arguments) -> None:
        if event in _NEVER or event.startswith("os.spawn"):
            raise PermissionError(f"a tool may not {event}")
        if event == "socket.connect":
            where = arguments[1]
            if not isinstance(where, tuple) or tuple(where[:2]) not in grant.hosts:
                raise PermissionError("a tool may not connect there")
        if event in _OPENING:
            _check_open(grant, event, arguments)
        if event in _CHANGING and not all(
            grant.may(os.fsdecode(one), is_write=True)
            for one in arguments[:2]
            if isinstance(one, str | bytes)
        ):
            raise PermissionError("a tool may not change that file")

    return look


def _check_open(grant: Grant, event: str, arguments: Arguments) -> None:
    path = arguments[0]
    if isinstance(path, int):
        return
    if path is None or not isinstance(path, str | bytes | os.PathLike):
        raise PermissionError("a tool may not open that")
    mode = arguments[1] if event == "open" and len(arguments) > 1 else "r"
    flags = arguments[2] if event == "open" and len(arguments) > 2 else 0
    is_write = (isinstance(mode, str) and any(one in mode for one in "wax+")) or bool(
        isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    )
    if not grant.may(os.fsdecode(path), is_write=is_write):
        raise PermissionError("a tool may not open that file")


def _landlock(grant: Grant) -> bool:
    """Whether the kernel holds the rules now."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_RULESET, None, 0, 1)
    if version < 1:
        return False
    files = (1 << _FILES_BY_VERSION.get(version, 16)) - 1
    net = _ALL_NET if version >= 4 else 0
    attributes = struct.pack("=QQ", files, net)[: 16 if version >= 4 else 8]
    ruleset = libc.syscall(_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    for paths, wanted in ((grant.read, 0), (grant.write, _WRITE)):
        for path in paths:
            if os.path.exists(path):
                rights = _READ_FILE | (0 if os.path.isfile(path) else _READ_DIR) | wanted
                if os.path.isfile(path):
                    rights &= _READ_FILE | (1 << 1) | (1 << 14)
                _allow_path(libc, ruleset, path, rights & files)
    if net:
        for port in {port for _, port in grant.hosts}:
            rule = struct.pack("=QQ", _CONNECT_TCP, port)
            _require(libc.syscall(_ADD_RULE, ruleset, _NET_PORT, rule, 0) == 0)
    _require(libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0)
    _require(libc.syscall(_RESTRICT, ruleset, 0) == 0)
    os.close(ruleset)
    return True


def _allow_path(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    rule = struct.pack("=Qi", rights, handle)
    _require(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0) == 0)
    os.close(handle)


def _require(holds: object) -> None:
    if not holds:
        raise OSError(ctypes.get_errno(), "the kernel refused a rule of the jail")


def connect(address: str, port: int, seconds: float) -> socket.socket:
    """A connection to a granted place."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    link = socket.socket(family, socket.SOCK_STREAM)
    link.settimeout(seconds)
    link.connect((address, port))
    return link
