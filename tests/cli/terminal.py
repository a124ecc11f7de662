"""`dumb` on a terminal: a pseudo-terminal of a given size, and what is written to it."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from tests.cli.conftest import DUMB, Rig

ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class Screen:
    """Any command there. Runs until it ends, or the context does."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], columns: int = 80, lines: int = 24
    ) -> None:
        self.output = ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self._process = subprocess.Popen(
            command,
            env=env,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            # Ctrl-C on the terminal reaches it.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._master)

    def type(self, text: str) -> None:
        """As from a keyboard; `\\x03` is Ctrl-C."""
        os.write(self._master, text.encode())

    def until(self, pattern: str, timeout: float = 20) -> re.Match[str]:
        """Read on until what was written (without colours) has it."""
        deadline = time.monotonic() + timeout
        while (found := re.search(pattern, self.text)) is None:
            if time.monotonic() > deadline or not self._read(0.5):
                assert found is not None, f"{pattern!r} is not in {self.output!r}"
        return found

    def end(self, timeout: float = 20) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + timeout
        while self._read(0.5) and time.monotonic() < deadline:
            pass
        return self._process.wait(5)

    @property
    def text(self) -> str:
        """Without colours and carriage returns."""
        return ANSI.sub("", self.output).replace("\r", "")

    def _read(self, timeout: float) -> bool:
        """False at the end of the output."""
        ready, _, _ = select.select([self._master], [], [], timeout)
        if not ready:
            return self._process.poll() is None
        try:
            data = os.read(self._master, 65536)
        except OSError:  # EIO: the last writer is gone
            return False
        self.output += data.decode("utf-8", "replace")
        return bool(data)


class OnTerminal(Screen):
    """`dumb` in an installation."""

    def __init__(
        self,
        rig: Rig,
        *arguments: str,
        columns: int = 80,
        lines: int = 24,
        env: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            [str(DUMB), *arguments], rig.environ(**(env or {})), columns=columns, lines=lines
        )
