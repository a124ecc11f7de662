"""Reading and replacing one file. Blocking: call it in a thread.

The file is used with the rights of the service's user (services/supervisor/files): a link that was
put there meanwhile leads nowhere that the service could not go itself.
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
from services.supervisor.files.place import Place, RefusedPathError
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


def read_file(place: Place) -> Snapshot:
    """Raises `AppFileError`: not a plain file, larger than 4 MiB, or the system refuses."""
    real = place.path
    with _directory(place) as directory:
        _plain(os.stat(real.name, dir_fd=directory, follow_symlinks=False))
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(real.name, flags, dir_fd=directory)
        with os.fdopen(fd, "rb") as stream:
            info = os.fstat(fd)
            _plain(info)
            data = stream.read(MAX_BYTES + 1)
        _check_size(len(data))
        return Snapshot(data, stat.S_IMODE(info.st_mode), info.st_uid, info.st_gid, _stamp(info))


def replace_file(place: Place, old: Snapshot, data: bytes) -> None:
    """Keep the old content in `<name>.bak`, then put `data` in its place: old or new, never half.

    Raises:
        AppFileError: too large, changed since it was read, or the system refuses.
    """
    real = place.path
    _check_size(len(data))
    with _directory(place) as directory:
        _put(directory, f"{real.name}.bak", old, old.data)
        now = os.stat(real.name, dir_fd=directory, follow_symlinks=False)
        if _stamp(now) != old.stamp:
            raise AppFileError(
                FileFault.CHANGED, "Somebody else wrote the file just now. Read it again."
            )
        _put(directory, real.name, old, data)
        os.fsync(directory)


@contextmanager
def _directory(place: Place) -> Iterator[int]:
    """A descriptor of the file's directory, used with the rights of the service; errors of the
    system in sentences."""
    try:
        with place.directory() as path_only:
            fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=path_only)
            try:
                if place.keep.refuses(fd):
                    raise AppFileError(FileFault.OUTSIDE, "It belongs to the control plane.")
                yield fd
            finally:
                os.close(fd)
    except RefusedPathError:
        raise AppFileError(FileFault.OUTSIDE, "A link took the place of a directory.") from None
    except OSError as error:
        raise _refused(error, place.path) from error


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
