"""Acting on the file system with the rights of a service's user, for the length of a call.

The kernel then judges each path as it would judge the service itself, so a link that the service
laid gains it nothing. Only the file system's user changes (setfsuid(2)): signals, limits and the
other threads of the supervisor are not touched.
"""

import contextlib
import ctypes
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

# The numbers of <asm/unistd.h>. The wrappers of glibc would change all threads (setgroups), so the
# system calls are made directly.
_CALLS: Final = {
    "x86_64": (122, 123, 116),
    "aarch64": (151, 152, 159),
    "riscv64": (151, 152, 159),
    "armv7l": (215, 216, 206),
    "armv6l": (215, 216, 206),
}
"""By machine: setfsuid, setfsgid, setgroups (the 32-bit forms of ARM have 32-bit ids)."""
_NOBODY: Final = ctypes.c_uint(-1 & 0xFFFFFFFF)
"""Asks setfsuid for the id that is in force: this one is refused."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a service runs as. None: as the supervisor does."""

    uid: int | None = None
    gid: int | None = None

    @property
    def foreign(self) -> bool:
        """Whether it has fewer rights than this supervisor, which can take its place."""
        return os.geteuid() == 0 and bool(self.uid)


OURS: Final = Owner()


@contextlib.contextmanager
def acting_as(owner: Owner) -> Iterator[None]:
    """Let this thread use files with the rights of `owner`, who must be `foreign`.

    Do not await inside: the thread would serve others with these rights.

    Raises:
        OSError: the kernel refuses to take the rights, or to give them back.
    """
    uid, gid = owner.uid or 0, owner.gid or owner.uid or 0
    groups = os.getgroups()
    _set_groups([])
    try:
        _set("setfsgid", 1, gid)
        # Last, and undone first: from here on the kernel takes away what root may do to files.
        _set("setfsuid", 0, uid)
        try:
            yield
        finally:
            _set("setfsuid", 0, os.geteuid())
    finally:
        _set("setfsgid", 1, os.getegid())
        _set_groups(groups)


def _set(name: str, which: int, value: int) -> None:
    call = _numbers()[which]
    _libc.syscall(call, ctypes.c_uint(value))
    if _libc.syscall(call, _NOBODY) != value:
        raise PermissionError(1, f"{name} {value} is refused")


def _set_groups(groups: list[int]) -> None:
    array = (ctypes.c_uint * len(groups))(*groups)
    if _libc.syscall(_numbers()[2], ctypes.c_size_t(len(groups)), array) != 0:
        code = ctypes.get_errno()
        raise PermissionError(code, f"setgroups: {os.strerror(code)}")


def _numbers() -> tuple[int, int, int]:
    machine = os.uname().machine
    try:
        return _CALLS[machine]
    except KeyError:
        raise PermissionError(
            38, f"files of another user are not opened on the machine type {machine}"
        ) from None


_libc: Final = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
