"""File systems, asked in threads: one that hangs is reported so, and never waited for.

`statvfs` on a dead network or FUSE mount does not return. Looks therefore run in daemon threads,
one at a time per mount, and samples take the last result: a dead mount costs one thread.
"""

import os
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.metrics.mounts import Mount, candidates, mount_of, parse_mountinfo

STUCK_S: Final = 2.0
"""A look that takes longer counts as hanging."""
WORKERS: Final = 2
MOST_WORKERS: Final = 32
MOUNTS_EVERY_S: Final = 10.0
FIRST_WAIT_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Look:
    """What one path said. Sizes in bytes, as `df` counts them."""

    exists: bool
    directory: bool = False
    readable: bool = False
    device: int = 0
    total: int = 0
    used: int = 0
    free: int = 0
    inodes: int = 0
    inodes_used: int = 0
    inodes_free: int = 0


def look_at(path: str) -> Look:
    """Ask the file system. May hang for ever."""
    try:
        info = os.stat(path)  # noqa: PTH116 - and one call less
        room = os.statvfs(path)
    except OSError:
        return Look(exists=False)
    return Look(
        exists=True,
        directory=stat.S_ISDIR(info.st_mode),
        readable=os.access(path, os.R_OK),
        device=info.st_dev,
        total=room.f_blocks * room.f_frsize,
        used=(room.f_blocks - room.f_bfree) * room.f_frsize,
        free=room.f_bavail * room.f_frsize,
        inodes=room.f_files,
        inodes_used=room.f_files - room.f_ffree,
        inodes_free=room.f_favail,
    )


class PathWatch:
    """Looks at paths again and again, each at its own period. Called from one thread."""

    def __init__(
        self,
        look: Callable[[str], Look] = look_at,
        read_mounts: Callable[[], str] = lambda: _read_text("/proc/self/mountinfo"),
        stuck_s: float = STUCK_S,
    ) -> None:
        self._look = look
        self._read_mounts = read_mounts
        self._stuck_s = stuck_s
        self._lock = threading.Condition()
        self._queue: deque[str] = deque()
        self._begun: dict[str, float] = {}
        """Paths that a worker looks at now, and since when (monotonic)."""
        self._asked: dict[str, float] = {}
        self._results: dict[str, Look] = {}
        self._workers = 0
        self._mounts: list[Mount] = []
        self._mount_of: dict[str, Mount | None] = {}
        self._mounts_at = -MOUNTS_EVERY_S

    def refresh(self, periods: Mapping[str, float]) -> None:
        """Look at every path whose period (seconds) has passed. Returns at once.

        Paths that are not named any more are forgotten.
        """
        now = time.monotonic()
        if now - self._mounts_at >= MOUNTS_EVERY_S:
            self._mounts, self._mounts_at = parse_mountinfo(self._read_mounts()), now
            self._mount_of.clear()
        with self._lock:
            for gone in self._asked.keys() - periods.keys():
                self._asked.pop(gone)
                self._results.pop(gone, None)
            stuck = self._stuck_places(now)
            pending = set(self._queue) | self._begun.keys()
            for path, period in periods.items():
                due = now - self._asked.get(path, -period) >= period
                if due and path not in pending and self._place(path) not in stuck:
                    self._asked[path] = now
                    self._queue.append(path)
            self._hire(now)
            self._lock.notify_all()

    def settle(self, paths: Iterable[str], timeout: float = FIRST_WAIT_S) -> None:
        """Wait until each path was looked at once, at most `timeout` seconds."""
        wanted = set(paths)
        with self._lock:
            self._lock.wait_for(lambda: wanted <= self._results.keys(), timeout)

    def get(self, path: str) -> Look | None:
        """The last result; None when the file system hangs, or nothing is known yet."""
        with self._lock:
            if self._begun and self._place(path) in self._stuck_places(time.monotonic()):
                return None
            return self._results.get(path)

    def mount(self, path: str) -> Mount | None:
        """Where `path` lies, by its name."""
        if path not in self._mount_of:
            self._mount_of[path] = mount_of(path, self._mounts)
        return self._mount_of[path]

    def candidates(self) -> list[str]:
        """Mount points that a person may want to watch."""
        return candidates(self._mounts)

    def _place(self, path: str) -> str:
        mount = self.mount(path)
        return mount.point if mount else path

    def _stuck_places(self, now: float) -> set[str]:
        late = [path for path, since in self._begun.items() if now - since > self._stuck_s]
        return {self._place(path) for path in late}

    def _hire(self, now: float) -> None:
        """As many workers as are not stuck, and no more threads than a host can bear."""
        stuck = sum(1 for since in self._begun.values() if now - since > self._stuck_s)
        while self._queue and self._workers < min(WORKERS + stuck, MOST_WORKERS):
            self._workers += 1
            threading.Thread(target=self._work, name="look", daemon=True).start()

    def _next(self) -> str | None:
        """The first path that waits, of a mount that nobody looks at just now."""
        busy = {self._place(path) for path in self._begun}
        for path in self._queue:
            if self._place(path) not in busy:
                self._queue.remove(path)
                return path
        return None

    def _work(self) -> None:
        while True:
            with self._lock:
                while (path := self._next()) is None:
                    self._lock.wait()
                self._begun[path] = time.monotonic()
            result = self._look(path)
            with self._lock:
                self._begun.pop(path, None)
                if path in self._asked:
                    self._results[path] = result
                self._lock.notify_all()


def filesystem(path: str, watch: PathWatch) -> dict[str, Any]:
    """One entry of `system.filesystems` (contract websocket.md 4.1)."""
    mount, look = watch.mount(path), watch.get(path)
    found: dict[str, Any] = {
        "path": path,
        "mount_point": mount.point if mount else None,
        "fs_type": mount.fs_type if mount else None,
        "available": look is not None and look.exists,
    }
    if look is None or not look.exists:
        return found | dict.fromkeys(("total", "used", "free", "percent")) | {"inode": inode(path)}
    return found | usage(look) | {"free": look.free, "inode": inode(path, look)}


def inode(path: str, look: Look | None = None) -> dict[str, Any]:
    """The inodes of a file system; null where it has none to count."""
    if look is None or look.inodes <= 0:
        return {**dict.fromkeys(("total", "used", "free", "percent")), "path": path}
    return {
        "total": look.inodes,
        "used": look.inodes_used,
        "free": look.inodes_free,
        "percent": percent(look.inodes_used, look.inodes),
        "path": path,
    }


def usage(look: Look) -> dict[str, Any]:
    """`percent` as `df` has it: of what an ordinary user could fill."""
    return {
        "total": look.total,
        "used": look.used,
        "percent": percent(look.used, look.used + look.free),
    }


def percent(part: float, whole: float) -> float:
    """Rounded to a tenth, 0 of nothing."""
    return round(part / whole * 100, 1) if whole > 0 else 0.0


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
