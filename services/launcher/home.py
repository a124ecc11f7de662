"""The data directory: made once, used by one launcher at a time."""

import os
import stat
from pathlib import Path

from services.launcher.files import write_private
from shared.container import container_engine
from shared.errors import DumbError
from shared.exits import Exit
from shared.lock import holder_noted, lock_patiently, note_holder, open_lock
from shared.ownership import take_over
from shared.settings import Settings


class HomeError(DumbError):
    """The data directory cannot be used; the message says what to do."""

    code = "home"
    exit_code = Exit.CANNOT_WRITE


class HomeInUseError(HomeError):
    """Another launcher runs on it."""

    code = "home_in_use"
    exit_code = Exit.IN_USE


def take_home(settings: Settings) -> list[str]:
    """As root, take what belongs to the control plane over; sentences about what changed.

    Raises:
        HomeError: that cannot be done.
        OwnershipError: a link lies in the place of something.
    """
    try:
        return take_over(settings, container=bool(container_engine()))
    except OSError as error:
        raise _unusable(settings.home, error) from error


def make_home(home: Path) -> None:
    """Make DUMB_HOME (0700, of root 0711) and its `run` and `log`. One that is in use keeps its
    mode.

    Raises:
        HomeError: it cannot be made or written.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        wide = stat.S_IMODE(home.stat().st_mode) & 0o066
        if wide and not any(home.iterdir()):
            home.chmod(0o700)
        for name in ("run", "log"):
            (home / name).mkdir(mode=0o700, exist_ok=True)
        if not os.access(home, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise _unusable(home, error) from error


def _unusable(home: Path, error: OSError) -> HomeError:
    return HomeError(
        f"The data directory {home} cannot be used ({error.strerror}): "
        "set DUMB_HOME to a directory that you may write."
    )


def copy_sample(sample: Path, config_path: Path) -> bool:
    """Copy the tracked sample to the live configuration when there is none yet (0600).

    Raises:
        HomeError: the sample cannot be read or the copy cannot be written.
    """
    if config_path.exists():
        return False
    try:
        config_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(config_path, sample.read_bytes())
    except OSError as error:
        raise HomeError(f"{config_path} cannot be made from {sample}: {error.strerror}.") from error
    return True


class HomeLock:
    """The exclusive lock on a data directory. The kernel releases it when its holder dies."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.path = home / "run" / "launcher.lock"
        self._descriptor = -1
        self.left_behind = False
        """The last launcher was killed: its programs may still be ending."""

    def acquire(self) -> None:
        """Take the lock and write this pid into it.

        Raises:
            HomeInUseError: another launcher has it.
            LockFileError: it cannot be opened.
        """
        descriptor = open_lock(self.path)
        if not lock_patiently(descriptor):
            pid = holder_noted(descriptor) or "unknown"
            os.close(descriptor)
            raise HomeInUseError(
                f"dumb is already running on {self._home} (pid {pid}): "
                "stop it with Ctrl-C or `dumb down`, or set DUMB_HOME to another directory."
            )
        self._descriptor = descriptor
        self.left_behind = os.fstat(descriptor).st_size > 0
        note_holder(descriptor)

    def release(self) -> None:
        """Give it back, and mark the end as an orderly one."""
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
