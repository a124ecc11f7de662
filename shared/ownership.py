"""What belongs to the control plane on disk is root's alone, before root uses it.

An unprivileged supervisor shares its user with the services, so everything in its data directory
may have been bent by one of them when a supervisor that is root takes it over (docs/security.md,
"Files of services"). Only known entries are touched, and no link is followed.
"""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from shared.errors import DumbError
from shared.exits import Exit
from shared.settings import Settings

SECRETS: Final = Path("/run/secrets")
"""Where container engines mount the secrets of a container."""

_DIRECTORIES: Final = ("run", "log", "redis", "jobs")
_MOST_LEVELS: Final = 12
"""Of directories in one of ours, which have four; what lies deeper is out of reach anyhow."""

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_OPEN_TO_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


class OwnershipError(DumbError):
    """Something in the data directory leads root elsewhere; the message says what to do."""

    code = "ownership"
    exit_code = Exit.CANNOT_WRITE


def take_over(settings: Settings, *, container: bool) -> list[str]:
    """As root, make the control plane's files root's and close them; sentences about what changed.

    Other users do nothing here. `container`: the directory of the configuration is there for
    nothing else, so it is taken over too; elsewhere a sentence says that it should be.

    Raises:
        OwnershipError: a link lies where one of our files or directories should be, or something
            cannot become root's.
        OSError: the data directory cannot be made or opened.
    """
    if os.geteuid() != 0:
        return []
    settings.home.mkdir(mode=0o711, parents=True, exist_ok=True)
    said: list[str] = []
    try:
        _take_all(settings, said, container=container)
    except PermissionError as error:
        raise OwnershipError(
            f"What belongs to the control plane in {settings.home} and "
            f"{settings.config_path.parent} cannot become root's ({error.strerror}): use a file "
            "system that keeps owners and give root CAP_CHOWN and CAP_FOWNER, or start the "
            "supervisor as the user to whom it belongs."
        ) from error
    return said


def _take_all(settings: Settings, said: list[str], *, container: bool) -> None:
    home = settings.home
    with _opened(home) as fd:
        if former := _take_directory(fd, 0o711):
            said.append(
                f"The data directory {home} belonged to user {former}: it, and what the control "
                "plane keeps in it, belong to root now."
            )
        for name in _DIRECTORIES:
            _take_known(fd, home / name, said)
        files = _files(settings)
        for path in files:
            if path.parent == home:
                _take_file(fd, path, said, foreign=bool(former))
    for directory in dict.fromkeys(path.parent for path in files):
        if directory != home:
            inside = [path for path in files if path.parent == directory]
            _take_elsewhere(directory, inside, said, container=container)


def _files(settings: Settings) -> list[Path]:
    config = settings.config_path
    return [
        config,
        config.with_name(".env"),
        settings.home / ".env",
        settings.redis_url_file,
        settings.users_path,
    ]


def close_secrets(directory: Path = SECRETS) -> None:
    """As root in a container, let no service read the secrets that are mounted there.

    Raises:
        OSError: its mode cannot be changed.
    """
    try:
        fd = os.open(directory, _DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        if stat.S_IMODE(os.fstat(fd).st_mode) & 0o077:
            os.fchmod(fd, 0o700)
    finally:
        os.close(fd)


def _take_elsewhere(
    directory: Path, files: list[Path], said: list[str], *, container: bool
) -> None:
    """Files of ours outside the data directory."""
    with contextlib.suppress(FileNotFoundError), _opened(directory) as fd:
        owner = os.fstat(fd).st_uid
        if owner != 0 and not container:
            said.append(
                f"{directory} belongs to user {owner}, who can replace {files[0].name} in it: "
                f"`chown root {directory}`, or start the supervisor as that user."
            )
            return
        with _unless_read_only():
            if owner != 0:
                _take_directory(fd, 0o711)
                said.append(f"{directory} belonged to user {owner}: it belongs to root now.")
        for path in files:
            _take_file(fd, path, said, foreign=owner != 0)


@contextlib.contextmanager
def _unless_read_only() -> Iterator[None]:
    """What lies on a read-only file system stays as it is: it cannot be bent either."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EROFS:
            raise


@contextlib.contextmanager
def _opened(directory: Path) -> Iterator[int]:
    """A directory that an administrator named; links on the way are the administrator's."""
    fd = os.open(directory, _DIRECTORY)
    try:
        yield fd
    finally:
        os.close(fd)


def _take_directory(fd: int, mode: int) -> int:
    """Make a directory root's; the uid that it had, 0 when it was root's already.

    From here on no other user can change a name in it, so what follows has no race.
    """
    info = os.fstat(fd)
    now = stat.S_IMODE(info.st_mode)
    if info.st_uid != 0:
        os.fchown(fd, 0, 0)
    elif not now & stat.S_ISVTX:
        mode = (now | mode) & ~_OPEN_TO_OTHERS
    else:
        mode = now  # /tmp, or one like it
    if mode != now or info.st_uid != 0:
        os.fchmod(fd, mode)
    return info.st_uid


def _take_known(parent: int, path: Path, said: list[str]) -> None:
    """One of the directories that are ours alone."""
    try:
        info = os.stat(path.name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISLNK(info.st_mode):
        _refuse_link(parent, path, info)
    elif not stat.S_ISDIR(info.st_mode):
        raise OwnershipError(
            f"The data directory {path.parent} cannot be used: "
            f"{path} is no directory. Move it away."
        )
    else:
        _close_tree(parent, path, said, _MOST_LEVELS)


def _refuse_link(parent: int, path: Path, info: os.stat_result) -> None:
    """A link to a place of root's, laid by root, is an administrator's. Raises otherwise."""
    with contextlib.suppress(FileNotFoundError):
        target = os.stat(path.name, dir_fd=parent)
        if info.st_uid == target.st_uid == 0 and not target.st_mode & _OPEN_TO_OTHERS:
            return
    raise OwnershipError(
        f"{path} is a link that root does not follow, because another user may have laid it or may "
        "change what it leads to. Put what it leads to in its place, or give both to root "
        f"(`chown -h root {path}`)."
    )


def _close_tree(parent: int, path: Path, said: list[str], levels: int) -> None:
    fd = os.open(path.name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=parent)
    try:
        info = os.fstat(fd)
        if info.st_uid != 0:
            os.fchown(fd, 0, 0)
        if stat.S_IMODE(info.st_mode) != 0o700:
            os.fchmod(fd, 0o700)
        with os.scandir(fd) as entries:
            names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_directory in names:
            if not is_directory:
                _take_inner(fd, path / name, said, foreign=info.st_uid != 0)
            elif levels > 0:
                _close_tree(fd, path / name, said, levels - 1)
    finally:
        os.close(fd)


def _take_inner(parent: int, path: Path, said: list[str], *, foreign: bool) -> None:
    """An entry that is no directory. `foreign`: another user could lay it there."""
    info = os.stat(path.name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISREG(info.st_mode) and info.st_nlink == 1:
        _close_file(parent, path.name, info, stat.S_IMODE(info.st_mode) & 0o700)
    elif stat.S_ISREG(info.st_mode) and info.st_uid != 0:
        _own_copy(parent, path.name)
    elif stat.S_ISFIFO(info.st_mode) or stat.S_ISSOCK(info.st_mode):
        if info.st_uid != 0:
            os.chown(path.name, 0, 0, dir_fd=parent, follow_symlinks=False)
    elif info.st_uid != 0 or foreign:
        os.unlink(path.name, dir_fd=parent)
        said.append(f"{path} was removed: nothing of the control plane is a link or a device.")


def _take_file(parent: int, path: Path, said: list[str], *, foreign: bool) -> None:
    """A file of ours whose loss would open something, so it is never removed."""
    try:
        info = os.stat(path.name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return
    if stat.S_ISLNK(info.st_mode):
        _refuse_link(parent, path, info)
    elif not stat.S_ISREG(info.st_mode) or (info.st_nlink > 1 and info.st_uid == 0 and foreign):
        raise OwnershipError(f"{path} is not a file of the control plane: move it away.")
    elif info.st_nlink > 1 and info.st_uid != 0:
        _own_copy(parent, path.name)
        said.append(f"{path} had more than one name: it is a copy of its own now.")
    else:
        with _unless_read_only():
            _close_file(parent, path.name, info, 0o600)


def _close_file(parent: int, name: str, info: os.stat_result, mode: int) -> None:
    if info.st_uid == 0 and stat.S_IMODE(info.st_mode) == mode:
        return
    fd = os.open(name, _FILE, dir_fd=parent)
    try:
        os.fchown(fd, 0, 0)
        os.fchmod(fd, mode)
    finally:
        os.close(fd)


def _own_copy(parent: int, name: str) -> None:
    """Replace a file by a copy that has no other name."""
    draft = f".{name[:200]}.own"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft, dir_fd=parent)
    source = os.open(name, _FILE, dir_fd=parent)
    with os.fdopen(source, "rb") as old:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(draft, flags, 0o600, dir_fd=parent), "wb") as new:
            shutil.copyfileobj(old, new)
            new.flush()
            os.fsync(new.fileno())
    os.rename(draft, name, src_dir_fd=parent, dst_dir_fd=parent)
