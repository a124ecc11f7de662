"""Following the log files that services write themselves.

One timer looks at all files: network and FUSE mounts, where such files often lie, deliver no
inotify events, and one `stat` a quarter second costs nothing. Rotation (another inode under the
name) and truncation (a file shorter than before) are followed.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from services.supervisor.capture import CONTINUES, LINE_BYTES, REDACTION
from services.supervisor.files.place import Place
from services.supervisor.logs import LogFeed, LogShelf
from services.supervisor.registry import Registry
from services.supervisor.unit import Unit
from shared.redaction import REACH, Redactor

_log = logging.getLogger(__name__)

EVERY_S: Final = 0.25
LOOKS: Final = 4
"""At the files, before it is looked again which services have one."""

FIRST_BYTES: Final = 256 << 10
"""How much of a file that was never followed before becomes history."""

_READ_BYTES: Final = 256 << 10
_PER_LOOK: Final = 4 << 20
"""At most so much of one file before the others get their turn."""


class Tail:
    """One file and how far it was read. The position is committed with our copy of the lines."""

    def __init__(self, place: Place, feed: LogFeed) -> None:
        self.place = place
        self.refused = ""
        """Why the file is not followed, "" while it is."""
        self._refused_stamp: tuple[int, int, int] | None = None
        self._feed = feed
        self._fd = -1
        self._inode = 0
        self._offset = 0
        source = feed.store.source
        self._known = (source.get("inode"), source.get("offset"))
        self._redactor = Redactor(source.get(REDACTION))

    def look(self) -> bool:
        """Read what is new; whether anything was. Raises `OSError`."""
        grew = False
        try:
            # With our own rights, and for nothing but the question whether it is another file.
            stat = self.place.path.stat()
        except FileNotFoundError:
            return self._read() if self._fd >= 0 else False
        if self._fd >= 0 and stat.st_ino != self._inode:
            while self._read():
                grew = True
            self._finish_line()
            self.close()
            self._known = (stat.st_ino, 0)
        if self._fd < 0:
            stamp = (stat.st_dev, stat.st_ino, stat.st_ctime_ns)
            if stamp == self._refused_stamp:
                return grew
            self._open_or_refuse(stamp)
            if self._fd < 0:
                return grew
        elif os.fstat(self._fd).st_size < self._offset:
            _log.info("%s was truncated: reading it from its start", self.place.path)
            self._offset, self._redactor = 0, Redactor()
        return self._read() or grew

    def _open_or_refuse(self, stamp: tuple[int, int, int]) -> None:
        """Open the file; if that is refused, not again before it is another one. Raises
        `FileNotFoundError`."""
        try:
            self._open()
        except FileNotFoundError:
            raise
        except OSError as error:
            self._refused_stamp = stamp
            self.refused = f"The log file {self.place.path} is not read: {error.strerror}."
        else:
            self._refused_stamp, self.refused = None, ""

    def _open(self) -> None:
        self._fd = self.place.open_for_reading()
        stat = os.fstat(self._fd)
        self._inode = stat.st_ino
        inode, offset = self._known
        if inode == stat.st_ino and isinstance(offset, int) and offset <= stat.st_size:
            self._offset = offset
        elif inode is None:
            self._offset = max(0, stat.st_size - FIRST_BYTES)
            if self._offset:
                self._offset += os.pread(self._fd, _READ_BYTES, self._offset).find(b"\n") + 1
                self._look_back()
        else:
            self._rest_of_predecessor(inode, offset)
            self._offset = 0
        self._known = (stat.st_ino, self._offset)

    def _look_back(self) -> None:
        """What is read begins in the middle of a file, and there perhaps in a secret."""
        start = max(0, self._offset - _READ_BYTES)
        before = os.pread(self._fd, self._offset - start, start)
        self._redactor.lines(before if start == 0 else before.partition(b"\n")[2])

    def _rest_of_predecessor(self, inode: Any, offset: Any) -> None:
        """The file was rotated while nobody looked: its old self lies beside it."""
        if not isinstance(inode, int) or not isinstance(offset, int):
            return
        place = self.place.with_inode(inode)
        if place is None:
            return
        fd, self._fd = self._fd, place.open_for_reading()
        kept = self._inode
        self._inode, self._offset = inode, offset
        while self._read():
            pass
        self._finish_line()
        os.close(self._fd)
        self._fd, self._inode = fd, kept

    def _read(self) -> bool:
        taken = 0
        while taken < _PER_LOOK:
            data = os.pread(self._fd, _READ_BYTES, self._offset)
            cut = data.rfind(b"\n") + 1
            if cut == 0 and len(data) == _READ_BYTES:
                data = os.pread(self._fd, LINE_BYTES + REACH, self._offset)
                cut = data.rfind(b"\n", 0, LINE_BYTES + 1) + 1
                line = data.partition(b"\n")[0]
                if cut == 0 and (len(line) < len(data) or len(data) == LINE_BYTES + REACH):
                    taken += self._emit_part(line)
                    continue
            if cut == 0:
                break
            self._emit(data[:cut], cut)
            taken += cut
        return taken > 0

    def _finish_line(self) -> None:
        """Nobody writes to this file any more: its last line may lack a newline."""
        while rest := os.pread(self._fd, LINE_BYTES + REACH, self._offset):
            if len(rest) > LINE_BYTES:
                self._emit_part(rest)
            else:
                self._emit(rest + b"\n", len(rest))

    def _emit_part(self, line: bytes) -> int:
        """The first part of a line that is too long; its size."""
        size = self._redactor.split(line, LINE_BYTES)
        self._append(self._redactor.part(line[:size]) + CONTINUES + b"\n", size)
        return size

    def _emit(self, lines: bytes, consumed: int) -> None:
        self._append(self._redactor.lines(lines.replace(b"\r\n", b"\n")), consumed)

    def _append(self, clean: bytes, consumed: int) -> None:
        self._offset += consumed
        self._feed.store.append(clean, self._source())

    def _source(self) -> Mapping[str, Any]:
        source: dict[str, Any] = {"inode": self._inode, "offset": self._offset}
        if self._redactor.state:
            source[REDACTION] = self._redactor.state
        return source

    def close(self) -> None:
        """Let go of the file."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Tails:
    """Follows the files of all services that run or ran since we started."""

    def __init__(self, shelf: LogShelf) -> None:
        self._shelf = shelf
        self._tails: dict[str, Tail] = {}

    async def run(self, registry: Registry) -> None:
        """Look at every file, again and again, until cancelled."""
        try:
            while True:
                followed = self._followed(registry)
                # Without any there is nothing to hurry for: a new one is read from where it began.
                for _ in range(LOOKS if followed else 1):
                    for unit, path in followed:
                        self._look(unit, path)
                    await asyncio.sleep(EVERY_S if followed else LOOKS * EVERY_S)
        finally:
            for tail in self._tails.values():
                tail.close()

    def _followed(self, registry: Registry) -> list[tuple[Unit, Path]]:
        found = []
        for unit in registry.units.values():
            path = self._shelf.tailed_file(unit.lifecycle.service)
            if path is not None and (unit.lifecycle.alive or unit.name in self._tails):
                found.append((unit, path))
        return found

    def _look(self, unit: Unit, path: Path) -> None:
        service, name = unit.lifecycle.service, unit.name
        try:
            feed = self._shelf.tailed(service)
            if feed is None:
                return
            tail = self._tails.get(name)
            if tail is None or tail.place.path != path:
                if tail is not None:
                    tail.close()
                tail = self._tails[name] = Tail(self._shelf.place(service, path), feed)
            if tail.look():
                self._shelf.appended(feed)
            unit.lifecycle.book.say_log_problem(tail.refused)
        except OSError as error:
            _log.debug("cannot follow %s: %s", path, error)
