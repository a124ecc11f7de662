"""Who a process is: the facts of /proc that tell ours from a stranger with a reused pid."""

import contextlib
import fcntl
import functools
import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

INSTANCE_VARIABLE: Final = "DUMB_INSTANCE"
"""In every child's environment: a random token of its generation, found again by a successor."""

_PROC = Path("/proc")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
# linux/pidfd.h: _IOWR(0xFF, 11, struct pidfd_info), version 0 of the struct is 64 bytes.
_PIDFD_GET_INFO: Final = (3 << 30) | (64 << 16) | (0xFF << 8) | 11
_PIDFD_INFO_EXIT: Final = 1 << 3


@dataclass(frozen=True, slots=True)
class Identity:
    """Survives this supervisor in the journal. `start_ticks` counts clock ticks since boot, 0
    until they were read: right after a spawn that would wait for the end of the exec."""

    pid: int
    start_ticks: int
    boot_id: str
    instance: str

    @property
    def started_at(self) -> float:
        """In seconds since boot, 0 when it is not known."""
        return self.start_ticks / _TICKS_PER_S


@functools.cache
def boot_id() -> str:
    """The kernel's name of this boot."""
    return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def since_boot() -> float:
    """Seconds on a clock that never jumps and that a successor of this process shares."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _stat(pid: int) -> list[bytes] | None:
    """The fields of /proc/<pid>/stat from `state` on, or None when the process is gone."""
    try:
        data = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return None
    return data[data.rindex(b")") + 2 :].split()


def start_ticks(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when it is gone or a zombie."""
    stat = _stat(pid)
    return None if stat is None or stat[0] in (b"Z", b"X") else int(stat[19])


def _pids() -> list[int]:
    return [int(name) for name in os.listdir(_PROC) if name.isdecimal()]  # noqa: PTH208


def has_instance(pid: int, instance: str) -> bool:
    """Whether the process was started with that token in its environment."""
    try:
        environ = (_PROC / str(pid) / "environ").read_bytes()
    except OSError:
        return False
    return f"{INSTANCE_VARIABLE}={instance}".encode() in environ.split(b"\0")


def find_leader(instance: str) -> int | None:
    """The session leader that carries the token: a spawn whose pid nobody wrote down."""
    for pid in _pids():
        stat = _stat(pid)
        if stat is None or stat[0] in (b"Z", b"X") or int(stat[3]) != pid:
            continue
        if has_instance(pid, instance):
            return pid
    return None


def members(identity: Identity) -> list[int]:
    """Live processes of a service: its session, and those that left it but carry its token.

    A session's number is not reused while a process is in it, so a leader that is not the
    journalled one means that our session is gone.
    """
    leader = _stat(identity.pid)
    reused = identity.boot_id != boot_id() or (
        leader is not None and not _was_started_as(identity, int(leader[19]))
    )
    found = []
    for pid in _pids():
        stat = _stat(pid)
        if stat is None or stat[0] in (b"Z", b"X"):
            continue
        in_session = not reused and int(stat[3]) == identity.pid
        if in_session or has_instance(pid, identity.instance):
            found.append(pid)
    return found


def open_pidfd(identity: Identity) -> int | None:
    """A pidfd of exactly that process, or None when it is gone."""
    if identity.boot_id != boot_id():
        return None
    try:
        fd = os.pidfd_open(identity.pid)
    except OSError:
        return None
    if _is(identity):
        return fd
    os.close(fd)
    return None


def _is(identity: Identity) -> bool:
    """Whether the process of that pid is the one that was journalled."""
    ticks = start_ticks(identity.pid)
    return ticks is not None and _was_started_as(identity, ticks)


def _was_started_as(identity: Identity, ticks: int) -> bool:
    """Whether the process of that pid, which was started at `ticks`, is the journalled one."""
    if identity.start_ticks == 0:
        return has_instance(identity.pid, identity.instance)
    return ticks == identity.start_ticks


def exit_status(pidfd: int) -> int | None:
    """The wait status of a process that somebody else reaped, where the kernel tells (6.15+)."""
    buffer = bytearray(struct.pack("Q", _PIDFD_INFO_EXIT).ljust(64, b"\0"))
    with contextlib.suppress(OSError):
        fcntl.ioctl(pidfd, _PIDFD_GET_INFO, buffer)
        (mask,) = struct.unpack_from("Q", buffer)
        if mask & _PIDFD_INFO_EXIT:
            (status,) = struct.unpack_from("i", buffer, 60)
            return int(status)
    return None
