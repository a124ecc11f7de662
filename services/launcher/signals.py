"""Signals that only record; the loop acts on them."""

import os
import signal
from types import FrameType
from typing import Final

STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """From construction on, stop signals are counted instead of ending the process.

    `descriptor` becomes readable on every signal, SIGCHLD included.
    """

    def __init__(self) -> None:
        self.stops = 0
        self.descriptor, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _signum, _frame: None)
        for signum in STOPS:
            # nohup means it: a hangup that our caller ignores is none.
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
                signal.signal(signum, self._count)

    def drain(self) -> None:
        """Forget the wake-ups so far; `stops` stays."""
        try:
            while os.read(self.descriptor, 512):
                pass
        except BlockingIOError:
            return

    def _count(self, _signum: int, _frame: FrameType | None) -> None:
        self.stops += 1
