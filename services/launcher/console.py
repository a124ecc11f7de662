"""Printing that neither loses a line to buffering nor waits for a terminal that stands still."""

import os
import select
import time
from typing import Final

LIMIT_BYTES: Final = 1 << 20
CHUNK_BYTES: Final = 512
"""A terminal or pipe that is writable takes this much without blocking."""

COLOURS: Final = (36, 33, 35, 32, 34)
"""Cyan, yellow, magenta, green, blue: one per program, in order of appearance."""


class Console:
    """Lines to one file descriptor, each with the name of its origin before it.

    `Ctrl-S` must not stop the launcher, and through its pipes the programs: what the descriptor
    does not take waits here, up to `LIMIT_BYTES`; then lines are dropped and counted. When the
    other side is gone (`| head`), printing ends and nothing else does.
    """

    def __init__(self, descriptor: int, *, colour: bool, width: int = 10) -> None:
        self.descriptor = descriptor
        self._colour = colour
        self._width = width
        self._colours: dict[str, int] = {}
        self._waiting = bytearray()
        self._dropped = 0
        self._closed = False

    @property
    def pending(self) -> bool:
        """Whether something waits for the descriptor to be writable."""
        return bool(self._waiting) and not self._closed

    def say(self, text: str) -> None:
        """Lines of the launcher's own."""
        for line in text.splitlines():
            self.line("dumb", line.encode("utf-8", "replace"))

    def line(self, name: str, line: bytes) -> None:
        """One line of a program, without its line break."""
        if self._closed:
            return
        if len(self._waiting) > LIMIT_BYTES:
            self._dropped += 1
            return
        if self._dropped:
            note = f"({self._dropped} lines were not shown: the terminal stood still)"
            self._dropped = 0
            self._waiting += self._prefix("dumb") + note.encode() + b"\n"
        self._waiting += self._prefix(name) + line + b"\n"
        self.write_some()

    def write_some(self) -> None:
        """Write as much as the descriptor takes now."""
        while self.pending and self._writable(0):
            try:
                written = os.write(self.descriptor, self._waiting[:CHUNK_BYTES])
            except BlockingIOError:
                return
            except OSError:  # the reader has gone, or the terminal has been closed
                self._closed = True
                return
            del self._waiting[:written]

    def flush(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until all is written."""
        deadline = time.monotonic() + timeout
        while self.pending and (rest := deadline - time.monotonic()) > 0:
            if self._writable(rest):
                self.write_some()

    def _writable(self, timeout: float) -> bool:
        poll = select.poll()
        poll.register(self.descriptor, select.POLLOUT)
        return bool(poll.poll(timeout * 1000))

    def _prefix(self, name: str) -> bytes:
        label = f"{name:<{self._width}} |"
        if self._colour:
            code = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
            label = f"\x1b[{code}m{label}\x1b[0m"
        return label.encode() + b" "
