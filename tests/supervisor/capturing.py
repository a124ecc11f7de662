"""A service's log under capture, and the children and writes that fill it."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from services.supervisor.capture import Capture
from services.supervisor.files.place import Place
from services.supervisor.logstore import Limits, LogStore
from shared.logformat import LineFormatter

Write = Callable[[bytes], None]
"""Write to stdout of the newest capture, all of it, draining as the pipe fills."""

STAMP = re.compile(rb"^\w{3} [ \d]\d, \d{4} \d\d:\d\d:\d\d - ")


class LogBench:
    """One service's log and the captures that fill it, one after another."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "7"
        self._home = directory
        self.store = self._open()
        self.captures: list[Capture] = []
        self.appended = 0

    def capture(self, generation: int = 7) -> Capture:
        """A capture, as a start or an adoption makes it."""
        formatter = LineFormatter("web", clock=lambda: 1790000000.0)
        capture = Capture(self.directory, generation, self.store, formatter, self._count)
        self.captures.append(capture)
        return capture

    def _open(self) -> LogStore:
        return LogStore(Place(self._home / "web.log"), self._home / "web.pos", Limits(1 << 30, 1))

    def killed(self) -> None:
        """The supervisor is dead: its descriptors close, nothing else happens."""
        for capture in self.captures:
            capture.detach()
        self.store.close()
        self.store = self._open()

    def _count(self) -> None:
        self.appended += 1

    @property
    def displayed(self) -> bytes:
        """The log as it is."""
        return self.store.read(0, self.store.size)

    @property
    def lines(self) -> list[bytes]:
        """The log without its decoration."""
        found = []
        for line in self.displayed.splitlines():
            assert STAMP.match(line), line
            found.append(line.split(b"web subprocess: ", 1)[1])
        return found


def run(capture: Capture, program: str) -> int:
    """A real child whose output is captured; its exit code."""
    out, err = capture.writers(None, None)
    child = subprocess.Popen(["/bin/sh", "-c", program], stdout=out, stderr=err)
    os.close(out)
    os.close(err)
    return child.wait(10)


def numbered(first: int, last: int) -> bytes:
    """Lines that tell a gap from a double."""
    return b"".join(b"line %d\n" % number for number in range(first, last))
