"""One program of a kind per data directory: a lock file that names its holder.

The kernel gives the lock back when its holder dies, however that happens.
"""

import fcntl
import os
import time
from pathlib import Path
from typing import ClassVar, Final

from shared.errors import DumbError
from shared.exits import Exit

PATIENCE_S: Final = 0.5
"""So long a taken lock is tried again: somebody may be looking who holds it (`holder`), or a
killed holder's child may not have come to its `exec` yet."""

_PAUSE_S: Final = 0.02


class InUseError(DumbError):
    """Another process holds the lock."""

    code: ClassVar[str] = "in_use"
    exit_code: ClassVar[Exit] = Exit.IN_USE


class LockFileError(DumbError):
    """The lock file cannot be opened, so the data directory cannot be used."""

    code: ClassVar[str] = "lock_file"
    exit_code: ClassVar[Exit] = Exit.CANNOT_WRITE


def take_lock(path: Path, program: str, home: Path) -> int:
    """The lock of `program` on `home`, for as long as the returned descriptor is open.

    Waits up to `PATIENCE_S`: for the start of a program, before its event loop.

    Raises:
        InUseError: somebody else has it; who, and what to do.
        LockFileError: the directory cannot be used.
    """
    descriptor = open_lock(path)
    if not lock_patiently(descriptor):
        pid = holder_noted(descriptor) or "unknown"
        os.close(descriptor)
        raise InUseError(
            f"Another {program} (pid {pid}) runs on {home}: "
            "stop it first, or set DUMB_HOME to another directory."
        )
    note_holder(descriptor)
    return descriptor


def open_lock(path: Path) -> int:
    """A descriptor of a lock file, made with its directory, which lies in the data directory.

    Raises:
        LockFileError: that cannot be done.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LockFileError(
            f"The data directory {path.parent.parent} cannot be used: {path}: {error.strerror}. "
            "Mount a volume there that this user may write, or set DUMB_HOME to another directory."
        ) from error


def lock_patiently(descriptor: int) -> bool:
    """Whether it could be locked within `PATIENCE_S`."""
    deadline = time.monotonic() + PATIENCE_S
    while not try_lock(descriptor):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_PAUSE_S)
    return True


def try_lock(descriptor: int) -> bool:
    """Lock it now; whether that could be done."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def note_holder(descriptor: int) -> None:
    """Write this pid into the file."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def holder_noted(descriptor: int) -> int:
    """The pid in the file, 0 without one: only if it is locked is that somebody's."""
    words = os.pread(descriptor, 32, 0).split()
    return int(words[0]) if words and words[0].isdigit() else 0


def former_holder(path: Path) -> int:
    """The pid that a lock file names, whether or not that process lives; 0 without one."""
    try:
        words = path.read_bytes()[:32].split()
    except OSError:
        return 0
    return int(words[0]) if words and words[0].isdigit() else 0


def holder(path: Path) -> int | None:
    """Pid of the process that holds this lock file; 0 when it is held but names nobody.

    Raises:
        LockFileError: it is there and cannot be opened.
    """
    if not path.exists():
        return None
    descriptor = open_lock(path)
    try:
        return None if try_lock(descriptor) else holder_noted(descriptor)
    finally:
        os.close(descriptor)
