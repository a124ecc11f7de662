"""One supervisor per data directory."""

import fcntl
import os
from pathlib import Path

from shared.errors import DumbError
from shared.exits import Exit


class AlreadyRunningError(DumbError):
    """Another supervisor holds the lock of this data directory."""

    code = "already_running"
    exit_code = Exit.IN_USE


def take_lock(run_dir: Path) -> int:
    """An exclusive lock for as long as this process lives; the file names the holder's pid.

    Raises:
        AlreadyRunningError: somebody else has it.
    """
    run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = run_dir / "supervisor.lock"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise AlreadyRunningError(
            f"Another supervisor (pid {holder}) is in charge of {run_dir.parent}."
        ) from error
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd
