"""Reading and replacing one file. Blocking: call it in a thread.

Every directory on the way is opened without following symbolic links: the path was resolved
before, so a link that is there now was put there to lead astray.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.supervisor.appfiles.errors import AppFileError
from shared.models.app_config import FileFault

MAX_BYTES: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a file held, and by what it is known again."""

    data: bytes
    mode: int
    uid: int
    gid: int
    stamp: tuple[int, int, int]


def read_file(real: Path) -> Snapshot:
    """Raises `AppFileError`: not a plain file, larger than 4 MiB, or the system refuses."""
    with _directory(real) as directory:
        _plain(os.stat(real.name, dir_fd=directory, follow_symlinks=False))
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(real.name, flags, dir_fd=directory)
        with os.fdopen(fd, "rb") as stream:
            info = os.fstat(fd)
            _plain(info)
            data = stream.read(MAX_BYTES + 1)
        _check_size(len(data))
        return Snapshot(data, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, _stamp(info))


def replace_file(real: Path, old: Snapshot, data: bytes) -> None:
    """Keep the old content in `<name>.bak`, then put `data` in its place: old or new, never half.

    Raises:
        AppFileError: too large, changed since it was read, or the system refuses.
    """
    _check_size(len(data))
    with _directory(real) as directory:
        _put(directory, f"{real.name}.bak", old, old.data)
        now = os.stat(real.name, dir_fd=directory, follow_symlinks=False)
        if _stamp(now) != old.stamp:
            raise AppFileError(
                FileFault.CHANGED, "Somebody else wrote the file just now. Read it again."
            )
        _put(directory, real.name, old, data)
        os.fsync(directory)


@contextmanager
def _directory(real: Path) -> Iterator[int]:
    """A descriptor of the file's directory; errors of the system in sentences."""
    fds: list[int] = []
    try:
        fds.append(os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        step = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        for name in real.parent.parts[1:]:
            fds.append(os.open(name, step | os.O_PATH, dir_fd=fds[-1]))
        fds.append(os.open(".", step | os.O_RDONLY, dir_fd=fds[-1]))
        yield fds[-1]
    except OSError as error:
        raise _refused(error, real) from error
    finally:
        for fd in fds:
            os.close(fd)


def _put(directory: int, name: str, like: Snapshot, data: bytes) -> None:
    temporary = f".{name[:180]}.{secrets.token_hex(6)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    fd = os.open(temporary, flags, 0o600, dir_fd=directory)
    try:
        with os.fdopen(fd, "wb") as stream:
            if (like.uid, like.gid) != (os.geteuid(), os.getegid()):
                with suppress(PermissionError):  # only root may give a file away
                    os.fchown(fd, like.uid, like.gid)
            os.fchmod(fd, like.mode & 0o777)
            stream.write(data)
            stream.flush()
            os.fsync(fd)
        os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise


def _plain(info: os.stat_result) -> None:
    if not stat.S_ISREG(info.st_mode):
        raise AppFileError(FileFault.OUTSIDE, "The config_file is no plain file.")


def _check_size(size: int) -> None:
    if size > MAX_BYTES:
        raise AppFileError(FileFault.TOO_LARGE, f"The file is larger than {MAX_BYTES >> 20} MiB.")


def _stamp(info: os.stat_result) -> tuple[int, int, int]:
    return (info.st_mtime_ns, info.st_size, info.st_ino)


def _refused(error: OSError, real: Path) -> AppFileError:
    if error.errno == errno.ENOENT:
        return AppFileError(FileFault.MISSING, f"The file {real} does not exist (any more).")
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        return AppFileError(FileFault.OUTSIDE, "A symbolic link took the place of the file.")
    if error.errno == errno.EBUSY:
        why = f"{real} is a mount point and cannot be replaced: mount its directory instead."
        return AppFileError(FileFault.DISK, why)
    return AppFileError(FileFault.DISK, f"{real}: {error.strerror}.")
