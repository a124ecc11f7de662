"""What a supervisor is asked for by signals: to end, or to let the next one take over."""

import asyncio
import signal


class Signals:
    """Caught from before the lock is taken: who sees a pid there may signal it."""

    def __init__(self) -> None:
        """Needs a running event loop."""
        self.stop = asyncio.Event()
        self.handover = False
        """Whether the services are to be left to the next supervisor."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop.set)
        loop.add_signal_handler(signal.SIGUSR2, self._hand_over)

    def _hand_over(self) -> None:
        if not self.stop.is_set():  # a shutdown that has begun goes on
            self.handover = True
            self.stop.set()
