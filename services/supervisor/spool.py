"""The raw output of one stream of one service generation: FIFO, spliced into a spool.

The child holds the FIFO open for reading and writing, so this supervisor's death neither breaks
its pipe nor loses what is in it. `splice` moves bytes from the FIFO to the spool inside the
kernel: at no instant are they only in our memory. The spool is a row of numbered segments, each
removed once it is consumed.
"""

import contextlib
import errno
import fcntl
import os
from pathlib import Path
from typing import Final

FIFO_BYTES: Final = 128 << 10
SEGMENT_BYTES: Final = 4 << 20
MAX_OWED_BYTES: Final = 1 << 20
_SPLICE: Final = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK


def create_spool(directory: Path, name: str) -> None:
    """Make what a `Spool` will find there. Raises `OSError`."""
    os.mkfifo(directory / f"{name}.fifo", 0o600)
    os.close(os.open(directory / f"{name}.0.spool", os.O_CREAT | os.O_CLOEXEC, 0o600))


class Spool:
    """`name` is `out` or `err`; everything lies in `directory`, which belongs to a generation."""

    def __init__(self, directory: Path, name: str) -> None:
        """Open or create the FIFO and the last segment. Raises `OSError`."""
        self._directory = directory
        self._name = name
        self._fifo_path = directory / f"{name}.fifo"
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self._fifo_path, 0o600)
        # Opened for writing too, so that it never reports "hung up": the end of output is "the
        # process is gone and nothing is left", never EOF.
        self.fd = os.open(self._fifo_path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        with contextlib.suppress(OSError):
            # A refusal (the user's pipe budget) leaves a smaller buffer, nothing worse.
            fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, FIFO_BYTES)
        existing = sorted(self._numbers())
        self.segment = existing[-1] if existing else 0
        self._file = self._open(self.segment)
        self.end = os.fstat(self._file).st_size
        self._owed = b""
        self._reading = -1
        self._reading_segment = -1

    def own(self, uid: int, gid: int) -> None:
        """Give the FIFO to the service's user, who may reopen /dev/stdout. Raises `OSError`."""
        os.chown(self._fifo_path, uid, gid)

    def writer(self) -> int:
        """A descriptor for the child, open for reading and writing. Raises `OSError`."""
        return os.open(self._fifo_path, os.O_RDWR | os.O_CLOEXEC)

    def fill(self) -> int:
        """Move what waits in the FIFO into the spool; the number of bytes.

        Raises:
            OSError: the disk refuses; the bytes are still in the FIFO.
        """
        if self.end >= SEGMENT_BYTES:
            fresh = self._open(self.segment + 1)
            os.close(self._file)
            self._file, self.segment, self.end = fresh, self.segment + 1, 0
        if self._owed:
            self._pay()
        try:
            moved = os.splice(self.fd, self._file, FIFO_BYTES, offset_dst=self.end, flags=_SPLICE)
        except BlockingIOError:
            return 0
        self.end += moved
        return moved

    def discard(self) -> tuple[int, int]:
        """Take bytes out of the FIFO for which the disk has no room: the child is not to be
        blocked for it. Bytes taken and whole lines lost.

        The end of the line that the spool holds the head of, and the head of the last line, wait
        in memory for the next `fill`: lines are lost, but none is torn.
        """
        try:
            taken = os.read(self.fd, FIFO_BYTES)
        except BlockingIOError:
            return 0, 0
        owed = self._owed + taken
        first, last = owed.find(b"\n") + 1, owed.rfind(b"\n") + 1
        self._owed = (owed[:first] + owed[last:])[:MAX_OWED_BYTES]
        return len(taken), owed.count(b"\n", first, last)

    def _pay(self) -> None:
        written = os.pwrite(self._file, self._owed, self.end)
        self.end += written
        self._owed = self._owed[written:]
        if self._owed:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def read(self, segment: int, offset: int, limit: int) -> bytes:
        """Bytes of a segment, b"" at its end."""
        if segment == self.segment:
            return os.pread(self._file, limit, offset)
        if segment != self._reading_segment:
            self._close_reading()
            self._reading = os.open(self._path(segment), os.O_RDONLY | os.O_CLOEXEC)
            self._reading_segment = segment
        return os.pread(self._reading, limit, offset)

    def oldest(self) -> int:
        """The first segment that is still on disk."""
        return min(self._numbers(), default=self.segment)

    def drop_before(self, segment: int) -> None:
        """Remove the segments that were consumed."""
        for number in self._numbers():
            if number < segment:
                self._path(number).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the files and leave everything on disk for a successor."""
        self._close_reading()
        os.close(self.fd)
        os.close(self._file)

    def _close_reading(self) -> None:
        if self._reading >= 0:
            os.close(self._reading)
        self._reading = self._reading_segment = -1

    def _numbers(self) -> list[int]:
        found = []
        for entry in os.listdir(self._directory):  # noqa: PTH208 - this is on the way of a start
            name, _, rest = entry.partition(".")
            number, _, kind = rest.partition(".")
            if name == self._name and kind == "spool" and number.isdecimal():
                found.append(int(number))
        return found

    def _path(self, segment: int) -> Path:
        return self._directory / f"{self._name}.{segment}.spool"

    def _open(self, segment: int) -> int:
        return os.open(self._path(segment), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
