"""The one opener for paths that a service's user may bend (docs/security.md, "Files").

A path is walked from the root. Directories that only root or this supervisor's user may write are
trusted: links in them are followed, because only an administrator can have laid them. What lies
below the first other directory is used with the rights of the service's user; where that user has
no fewer rights than we have, links are not followed there.
"""

import contextlib
import errno
import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from services.supervisor.files.owner import OURS, Owner, acting_as

MAX_LINKS: Final = 40
"""As the kernel (path_resolution(7))."""
_STEP: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_QUIET: Final = os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
"""A FIFO or a terminal in the place of a file must not hold us up."""
_BY_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


class RefusedPathError(OSError):
    """A path leads where a service must not lead us. `strerror` is the reason, a sentence part."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(errno.EPERM, why, str(path))


@dataclass(frozen=True, slots=True)
class Keep:
    """Files and directories of the control plane, which no service may name."""

    paths: tuple[Path, ...] = ()

    def refuses(self, descriptor: int) -> bool:
        """Whether an open file is one of them, or lies in one of them."""
        info = os.fstat(descriptor)
        real = Path(f"/proc/self/fd/{descriptor}").readlink()
        for path in self.paths:
            with contextlib.suppress(OSError):
                known = path.stat()
                if (known.st_dev, known.st_ino) == (info.st_dev, info.st_ino):
                    return True
                if stat.S_ISDIR(known.st_mode) and path.resolve() in real.parents:
                    return True
        return False


@dataclass(frozen=True, slots=True)
class Place:
    """A file's name, and with whose rights its directory is used.

    Args:
        path: absolute.
        owner: whom the service runs as that names the path.
        keep: what it must not lead to.
    """

    path: Path
    owner: Owner = OURS
    keep: Keep = field(default_factory=Keep)
    links: bool = True
    """Whether links to directories are followed. Not in a path that was resolved before: a link
    that is there now was laid meanwhile."""
    bent: bool = False
    """Whether the path is what came of resolving one for which `is_bendable` holds: the service
    chose where it leads, so no directory on it is trusted."""

    def _walked(self, *, make: bool = False) -> "contextlib.AbstractContextManager[_Walked]":
        return _walked(self.path, self.owner, make=make, links=self.links, bent=self.bent)

    # -- files -----------------------------------------------------------------------------

    def open_for_reading(self) -> int:
        """A descriptor of the regular file. A service's links are followed with its own rights.

        Raises:
            RefusedPathError: it is something else, or not for services.
            OSError: it is not there, or the service's user may not read it.
        """
        with self._walked() as found:
            descriptor = found.open(os.O_RDONLY | _QUIET, 0, follow=True)
        return self._checked(descriptor, one_name=found.strict)

    def open_for_writing(self) -> int:
        """A descriptor of the regular file for reading and writing, made (0640) if it is missing.

        Raises: as `open_for_reading`; a link, or a file with several names, is refused.
        """
        with self._walked(make=True) as found:
            try:
                descriptor = found.open(os.O_RDWR | os.O_CREAT | _QUIET, 0o640, follow=False)
            except OSError as error:
                if error.errno in {errno.ELOOP, errno.EMLINK}:
                    raise RefusedPathError(self.path, "it is a link") from None
                if error.errno == errno.ENXIO:
                    raise RefusedPathError(self.path, "it is not a regular file") from None
                raise
        return self._checked(descriptor, one_name=not found.trusted)

    def _checked(self, descriptor: int, *, one_name: bool) -> int:
        why = self._objection(descriptor, one_name=one_name)
        if why:
            os.close(descriptor)
            raise RefusedPathError(self.path, why)
        return descriptor

    def _objection(self, descriptor: int, *, one_name: bool) -> str:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_dev in _kernel_devices():
            return "it is not a regular file"
        if one_name and info.st_nlink > 1:
            return "it has more than one name"
        return "it belongs to the control plane" if self.keep.refuses(descriptor) else ""

    # -- names beside it -------------------------------------------------------------------

    def beside(self, name: str) -> "Place":
        """The file of another name in the same directory."""
        return replace(self, path=self.path.with_name(name))

    def rename(self, to: str) -> None:
        """Give it another name in its directory. Raises `OSError`."""
        with self._walked() as found, found.rights():
            os.rename(found.name, to, src_dir_fd=found.fd, dst_dir_fd=found.fd)

    def unlink(self) -> None:
        """Remove the name. Raises `OSError`."""
        with self._walked() as found, found.rights():
            os.unlink(found.name, dir_fd=found.fd)

    def size(self) -> int:
        """Of the file itself, in bytes. Raises `OSError`."""
        return self._stat().st_size

    def _stat(self) -> os.stat_result:
        with self._walked() as found, found.rights():
            return os.stat(found.name, dir_fd=found.fd, follow_symlinks=False)

    def with_inode(self, inode: int) -> "Place | None":
        """The file in the same directory that has this inode. Raises `OSError`."""
        with self._walked() as found, found.rights():
            listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=found.fd)
            try:
                with os.scandir(listing) as entries:
                    name = next((entry.name for entry in entries if entry.inode() == inode), None)
            finally:
                os.close(listing)
        return self.beside(name) if name is not None else None

    @contextlib.contextmanager
    def directory(self) -> Iterator[int]:
        """A descriptor (`O_PATH`) of the file's directory; inside, the thread has the rights to use
        it. Raises `OSError`."""
        with self._walked() as found, found.rights():
            yield found.fd


def make_directory(path: Path, owner: Owner) -> None:
    """Make what is missing of a directory, for `owner`.

    Raises:
        RefusedPathError: something else than a directory has a name on the way.
        OSError: it cannot be made.
    """
    with _walked(path / "x", owner, make=True):
        return


def is_bendable(path: Path, owner: Owner) -> bool:
    """Whether others than root and we may write one of the directories on the way to a file."""
    try:
        with _walked(path, owner) as found:
            return not found.trusted
    except OSError:
        return True


def is_trusted(info: os.stat_result, ours: Collection[int]) -> bool:
    """Whether only root and the users `ours` may change what lies in a directory. Pure."""
    return info.st_uid in ours and not info.st_mode & _BY_OTHERS


class _Walked:
    """A directory that was reached, and the name in it that is left."""

    def __init__(self, fd: int, name: str, owner: Owner, *, trusted: bool) -> None:
        self.fd = fd
        self.name = name
        self.trusted = trusted
        self._owner = owner

    @property
    def strict(self) -> bool:
        """The directory can be bent, and nobody with fewer rights can be put in our place."""
        return not self.trusted and os.geteuid() == 0 and not self._owner.foreign

    def rights(self) -> contextlib.AbstractContextManager[None]:
        """Whose rights are used in the directory."""
        if self.trusted or not self._owner.foreign:
            return contextlib.nullcontext()
        return acting_as(self._owner)

    def open(self, flags: int, mode: int, *, follow: bool) -> int:
        """Open the name. In a trusted directory it is no link any more."""
        if self.trusted or self.strict or not follow:
            flags |= os.O_NOFOLLOW
        with self.rights():
            return os.open(self.name, flags, mode, dir_fd=self.fd)


@contextlib.contextmanager
def _walked(
    path: Path, owner: Owner, *, make: bool = False, links: bool = True, bent: bool = False
) -> Iterator[_Walked]:
    """The directory of `path`, opened step by step. `make`: missing directories are made."""
    if not path.is_absolute() or len(path.parts) < 2:
        raise RefusedPathError(path, "it is not the absolute path of a file")
    fds = [os.open("/", _STEP | os.O_DIRECTORY)]
    try:
        ours = () if bent else (0, os.geteuid())
        yield _walk(path, owner, fds, ours, make=make, links=links)
    finally:
        for fd in fds:
            os.close(fd)


def _walk(
    path: Path, owner: Owner, fds: list[int], ours: Collection[int], *, make: bool, links: bool
) -> _Walked:
    """Append a descriptor to `fds` for each step; the last one is the directory. `ours`: whose
    directories are trusted."""
    left = list(path.parts[1:])
    followed = 0
    while True:
        here = os.fstat(fds[-1])
        walked = _Walked(fds[-1], left[0], owner, trusted=is_trusted(here, ours))
        last = len(left) == 1
        if not walked.trusted and not walked.strict and not _kept(walked, here, ours):
            if last:
                return walked
            # The rest in one step, with the service's rights: what it can bend, it may.
            if links:
                fds.append(_rest(walked, left[:-1], make=make))
            else:
                _without_links(walked, left[:-1], fds)
            return _Walked(fds[-1], left[-1], owner, trusted=False)
        try:
            child = os.open(left[0], _STEP, dir_fd=fds[-1])
        except FileNotFoundError:
            if last:
                return walked
            if not make:
                raise
            child = _made(walked, owner, leaf=len(left) == 2)
        mode = os.fstat(child).st_mode
        if stat.S_ISLNK(mode):
            target = os.readlink("", dir_fd=child)
            os.close(child)
            followed += 1
            if not links or not walked.trusted or followed > MAX_LINKS:
                raise RefusedPathError(path, "a link lies on the way")
            parts = Path(target).parts
            if target.startswith("/"):
                fds.append(os.open("/", _STEP | os.O_DIRECTORY))
                parts = parts[1:]
            left = [*parts, *left[1:]]
        elif last:
            os.close(child)
            return walked
        else:
            fds.append(child)
            if not stat.S_ISDIR(mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
            left = left[1:]


def _kept(walked: _Walked, here: os.stat_result, ours: Collection[int]) -> bool:
    """Whether the next name cannot be bent although others may write here: in a sticky directory
    of ours (/tmp), a directory of ours."""
    if not here.st_mode & stat.S_ISVTX or here.st_uid not in ours:
        return False
    try:
        child = os.stat(walked.name, dir_fd=walked.fd, follow_symlinks=False)
    except OSError:
        return False
    return stat.S_ISDIR(child.st_mode) and child.st_uid in ours


def _rest(walked: _Walked, parts: list[str], *, make: bool) -> int:
    """Open a directory further down with the rights that count there."""
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    with walked.rights():
        try:
            return os.open("/".join(parts), flags, dir_fd=walked.fd)
        except FileNotFoundError:
            if not make:
                raise
        for count in range(1, len(parts) + 1):
            with contextlib.suppress(FileExistsError):
                os.mkdir("/".join(parts[:count]), 0o777, dir_fd=walked.fd)
        return os.open("/".join(parts), flags, dir_fd=walked.fd)


def _without_links(walked: _Walked, parts: list[str], fds: list[int]) -> None:
    """The same step by step, appended to `fds`; a link among them is an error."""
    with walked.rights():
        for part in parts:
            fds.append(os.open(part, _STEP | os.O_DIRECTORY, dir_fd=fds[-1]))


def _made(walked: _Walked, owner: Owner, *, leaf: bool) -> int:
    """Make the next directory of a walk in a trusted one, and open it. Only the last one (`leaf`)
    is for `owner`: services of several users may have directories below the others."""
    made = False
    with contextlib.suppress(FileExistsError):
        os.mkdir(walked.name, 0o777, dir_fd=walked.fd)
        made = True
    child = os.open(walked.name, _STEP | os.O_DIRECTORY, dir_fd=walked.fd)
    if made and owner.foreign:
        listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=child)
        try:
            if leaf:
                os.fchown(listing, owner.uid or -1, owner.gid or -1)
            else:
                os.fchmod(listing, 0o711)
        finally:
            os.close(listing)
    return child


def _kernel_devices() -> set[int]:
    """Of /proc and /sys, whose files are views of the kernel and of other processes."""
    found = set()
    for path in ("/proc", "/sys"):
        with contextlib.suppress(OSError):
            found.add(os.stat(path).st_dev)  # noqa: PTH116 - one call, as in the rest
    return found
