"""One run of one program: its process and the lines that it prints."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from services.launcher.kernel import dies_with_parent
from services.launcher.programs import Program

LINE_BYTES: Final = 64 * 1024
"""A longer line is shown in parts."""


class Child:
    """A started program. The launcher reaps it with `waitpid(-1)` and then calls `ended`.

    Raises:
        OSError: it cannot be started (not found, not executable, no more processes).
    """

    def __init__(self, program: Program, environ: Mapping[str, str]) -> None:
        before_exec = None if program.outlives_launcher else dies_with_parent(signal.SIGTERM)
        self.output, its_end = os.pipe2(os.O_CLOEXEC)
        try:
            self._process = subprocess.Popen(
                program.argv,
                stdin=subprocess.DEVNULL,
                stdout=its_end,
                stderr=its_end,
                env=dict(environ),
                # Ctrl-C goes to the launcher alone, which stops the programs in order.
                start_new_session=True,
                preexec_fn=before_exec,  # noqa: PLW1509 - one thread, and few starts
            )
        except BaseException:
            os.close(self.output)
            raise
        finally:
            os.close(its_end)
        os.set_blocking(self.output, False)
        self.pid = self._process.pid
        self._part = bytearray()
        self.last_line = b""

    def lines(self) -> list[bytes] | None:
        """What it has printed since the last call; None once nobody can print any more."""
        try:
            data = os.read(self.output, LINE_BYTES)
        except BlockingIOError:
            return []
        if not data:
            return None
        self._part += data
        *whole, rest = bytes(self._part).split(b"\n")
        if len(rest) >= LINE_BYTES:
            whole.append(rest)
            rest = b""
        self._part[:] = rest
        return self._noted(whole)

    def signal(self, signum: signal.Signals) -> None:
        """Send a signal to the program, which is not reaped yet."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signum)

    def kill_session(self) -> None:
        """SIGKILL to the program and to what stayed in its process group."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def ended(self, exit_code: int) -> list[bytes]:
        """Close up after the process was reaped. Returns the lines not yet shown."""
        self._process.returncode = exit_code
        left: list[bytes] = []
        while more := self.lines():
            left += more
        if self._part:
            left += self._noted([bytes(self._part)])
        os.close(self.output)
        return left

    def _noted(self, lines: list[bytes]) -> list[bytes]:
        for line in reversed(lines):
            if line.strip():
                self.last_line = line
                break
        return lines
