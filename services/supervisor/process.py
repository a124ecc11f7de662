"""A running process, our child or adopted, watched by its pidfd."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from services.supervisor.identity import Identity, exit_status


@dataclass(frozen=True, slots=True)
class Exit:
    """How a process ended; `code` is None when it was adopted and the kernel does not tell."""

    code: int | None
    signal: int | None

    @property
    def signal_name(self) -> str:
        """`SIGKILL`, or "" when it ended by itself."""
        if self.signal is None:
            return ""
        try:
            return signal.Signals(self.signal).name
        except ValueError:
            return f"signal {self.signal}"


class Process:
    """One process. `ended` is set once it is gone and reaped."""

    def __init__(
        self, identity: Identity, pidfd: int, popen: "subprocess.Popen[bytes] | None"
    ) -> None:
        self.identity = identity
        self._pidfd = pidfd
        self._popen = popen
        self._on_exit: Callable[[Exit], None] | None = None
        self.ended = asyncio.Event()
        self.exit: Exit | None = None

    @property
    def adopted(self) -> bool:
        """Whether an earlier supervisor started it."""
        return self._popen is None

    def watch(self, on_exit: Callable[[Exit], None]) -> None:
        """Call `on_exit` once, as soon as the kernel says that the process ended."""
        self._on_exit = on_exit
        asyncio.get_running_loop().add_reader(self._pidfd, self._ended)

    def _ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)
        self.exit = self._reap()
        os.close(self._pidfd)
        self.ended.set()
        if self._on_exit is not None:
            self._on_exit(self.exit)

    def _reap(self) -> Exit:
        if self._popen is not None:
            code = self._popen.wait()  # the pidfd is readable: this returns at once
            return Exit(None, -code) if code < 0 else Exit(code, None)
        status = exit_status(self._pidfd)
        if status is None:
            return Exit(None, None)
        code = os.waitstatus_to_exitcode(status)
        return Exit(None, -code) if code < 0 else Exit(code, None)

    def release(self) -> None:
        """Stop watching and leave it running for a successor."""
        if self.ended.is_set():
            return
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        if self._popen is not None:
            # Popen would otherwise warn about, and later reap, a child that is not ours any more.
            self._popen.returncode = 0

    def signal_group(self, number: signal.Signals) -> bool:
        """Signal the whole process group; False when nobody is in it."""
        try:
            os.killpg(self.identity.pid, number)
        except ProcessLookupError:
            return False
        return True
