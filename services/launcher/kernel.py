"""What the launcher asks of Linux: its orphans, and that its programs do not outlive it."""

import ctypes
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

PR_SET_PDEATHSIG: Final = 1
PR_SET_CHILD_SUBREAPER: Final = 36


def become_subreaper() -> None:
    """From now on orphaned descendants become children of this process, which reaps them.

    Raises:
        OSError: the kernel refuses (none since 3.4 does).
    """
    _prctl(_libc(), PR_SET_CHILD_SUBREAPER, 1)


def dies_with_parent(signum: int) -> Callable[[], None]:
    """What a new child runs before its exec, so that the kernel signals it when we are gone."""
    parent = os.getpid()
    libc = _libc()  # loaded here: between fork and exec as little as possible happens

    def before_exec() -> None:
        _prctl(libc, PR_SET_PDEATHSIG, int(signum))
        if os.getppid() != parent:  # we died before the line above
            os._exit(1)

    return before_exec


def children() -> list[int]:
    """Pids of all children of this process that have not ended."""
    me = os.getpid()
    pids = [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdecimal()]
    return [pid for pid in pids if _stat(pid)[1] == me and is_alive(pid)]


def is_alive(pid: int) -> bool:
    """Whether `pid` is a process that has not ended: a zombie has."""
    state, _parent = _stat(pid)
    return state not in {"", "Z", "X"}


def command_line(pid: int) -> bytes:
    """Its arguments, NUL-separated; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _stat(pid: int) -> tuple[str, int]:
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ("", 0)
    # The name in parentheses may hold anything; what follows the last one is plain.
    fields = text[text.rindex(b")") + 2 :].split()
    return (fields[0].decode(), int(fields[1]))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(libc: ctypes.CDLL, option: int, value: int) -> None:
    if libc.prctl(option, value, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
