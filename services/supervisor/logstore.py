"""One logical log: display bytes in a rotated file, addressed by their offset since its birth.

The offset counts every byte that was ever written to the log, so a cursor stays valid through
rotation and restarts. A small position file says up to where the log is committed and up to
where its source was consumed to get there; bytes of the file beyond it were written by a
supervisor that was killed before it committed, were never published, and are cut off again.
"""

import contextlib
import logging
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from services.supervisor.files.place import Place

_log = logging.getLogger(__name__)

POSITION_BYTES: Final = 1024
"""A position is padded to this and written in one `pwrite`, which a kill cannot cut in two."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a file is rotated (bytes) and how many old ones stay beside it."""

    max_bytes: int
    count: int


class LogStore:
    """Appends, rotates, reads back. Not thread safe: it belongs to the event loop."""

    def __init__(self, place: Place, position_path: Path, limits: Limits) -> None:
        """Open or create the log.

        Raises:
            OSError: the file or the position cannot be opened for writing.
        """
        self._place = place
        self.path = place.path
        self._limits = limits
        self._position_fd = os.open(position_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._fd = place.open_for_writing()
        except OSError:
            os.close(self._position_fd)
            raise
        self.dropped = 0
        self.lost = 0
        """Lines that were dropped since the start, once the log says so."""
        """Lines lost since the last mark, because the disk refused them."""
        self._recover()

    # -- state -----------------------------------------------------------------------------

    generation: str
    size: int
    """Offset of the end of the log."""
    source: dict[str, Any]
    """How far the source was consumed; what it holds is the source's business."""

    @property
    def oldest(self) -> int:
        """Offset of the first byte that is still on disk."""
        return self._segments()[-1][0]

    def _recover(self) -> None:
        saved = _parse_position(os.pread(self._position_fd, POSITION_BYTES, 0))
        actual = os.fstat(self._fd).st_size
        if saved is None:
            # An existing file of another program, or none: its bytes are our history.
            self._begin(start=0, size=actual, source={})
            return
        self.generation, self.size, self._start, self.source = saved
        expected = self.size - self._start
        if actual == 0 and expected > 0 and self._was_rotated(expected):
            self._start = self.size  # killed between the rename and the commit
        elif actual > expected:
            os.ftruncate(self._fd, expected)
        elif actual < expected:
            _log.warning("%s is shorter than it was: its log starts anew", self.path)
            self._begin(start=self.size, size=self.size + actual, source=self.source)
        self.commit(self.source)

    def _was_rotated(self, expected: int) -> bool:
        try:
            return self._numbered(1).size() >= expected
        except OSError:
            return False

    def _begin(self, *, start: int, size: int, source: dict[str, Any]) -> None:
        self.generation = secrets.token_hex(8)
        self._start, self.size, self.source = start, size, source
        with contextlib.suppress(OSError):
            self.commit(source)

    def new_generation(self) -> None:
        """The stream in Redis is ahead of us or another's: clients must start again."""
        self.generation = secrets.token_hex(8)
        self.commit(self.source)

    # -- writing ---------------------------------------------------------------------------

    def append(self, data: bytes, source: Mapping[str, Any]) -> None:
        """Append whole lines and commit them with the position of their source.

        A disk that refuses costs the lines, never the service: they are counted in `dropped`.
        """
        if data:
            if self.size - self._start >= self._limits.max_bytes:
                self._rotate()
            if self._write(data):
                self.size += len(data)
            else:
                self.dropped += data.count(b"\n")
        try:
            self.commit(source)
        except OSError as error:
            _log.error("cannot commit %s: %s", self.path, error.strerror)

    def _write(self, data: bytes) -> bool:
        at = self.size - self._start
        try:
            if os.pwrite(self._fd, data, at) == len(data):
                return True
        except OSError as error:
            if self.dropped == 0:
                _log.error("cannot write %s: %s", self.path, error.strerror)
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, at)
        return False

    def commit(self, source: Mapping[str, Any]) -> None:
        """Record the end of the log and the position of its source. Raises `OSError`."""
        self.source = dict(source)
        line = orjson.dumps([self.generation, self.size, self._start, self.source])
        os.pwrite(self._position_fd, line.ljust(POSITION_BYTES - 1) + b"\n", 0)

    def _rotate(self) -> None:
        try:
            for number in range(self._limits.count, 1, -1):
                with contextlib.suppress(FileNotFoundError):
                    self._numbered(number - 1).rename(self._numbered(number).path.name)
            if self._limits.count > 0:
                with contextlib.suppress(FileNotFoundError):  # an earlier try got this far
                    self._place.rename(self._numbered(1).path.name)
            else:
                self._place.unlink()
            fresh = self._place.open_for_writing()
        except OSError as error:
            _log.error("cannot rotate %s: %s", self.path, error.strerror)
            return
        os.close(self._fd)
        self._fd = fresh
        self._start = self.size
        # At once: a successor must not take the first bytes of the new file for a shorter old one.
        with contextlib.suppress(OSError):
            self.commit(self.source)

    # -- reading back ----------------------------------------------------------------------

    def read(self, offset: int, limit: int) -> bytes:
        """Bytes from `offset` on, at most `limit`, not across a file border.

        Returns b"" at the end, or when the bytes are gone from disk (see `oldest`).
        """
        if offset >= self._start:
            return os.pread(self._fd, min(limit, self.size - offset), offset - self._start)
        for start, place in self._segments():
            if offset >= start:
                with contextlib.suppress(OSError):
                    descriptor = place.open_for_reading()
                    try:
                        return os.pread(descriptor, limit, offset - start)
                    finally:
                        os.close(descriptor)
                return b""
        return b""

    def _segments(self) -> list[tuple[int, Place]]:
        """Start offsets and files, newest first."""
        found = [(self._start, self._place)]
        start = self._start
        for number in range(1, self._limits.count + 1):
            place = self._numbered(number)
            try:
                start -= place.size()
            except OSError:
                break
            if start < 0:
                break
            found.append((start, place))
        return found

    def _numbered(self, number: int) -> Place:
        return self._place.beside(f"{self.path.name}.{number}")

    def close(self) -> None:
        """Close both files."""
        os.close(self._fd)
        os.close(self._position_fd)


def _parse_position(data: bytes) -> tuple[str, int, int, dict[str, Any]] | None:
    try:
        generation, size, start, source = orjson.loads(data)
        return str(generation), int(size), int(start), dict(source)
    except (ValueError, TypeError):
        return None
