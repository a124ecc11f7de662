"""Who writes faster than Redis takes it waits in its own pipe."""

import asyncio

from services.supervisor.capture import Capture
from services.supervisor.logs import LogFeed
from services.supervisor.logsender import LogSender


class Backpressure:
    """Pauses captures that are too far ahead."""

    def __init__(self, sender: LogSender) -> None:
        self._sender = sender
        self._paused: set[asyncio.Task[None]] = set()

    def throttle(self, capture: Capture, feed: LogFeed) -> None:
        """Called after output was appended."""
        if not self._sender.lagging(feed):
            return
        capture.pause()
        task = asyncio.get_running_loop().create_task(self._resume(capture, feed))
        self._paused.add(task)
        task.add_done_callback(self._paused.discard)

    async def _resume(self, capture: Capture, feed: LogFeed) -> None:
        await self._sender.room(feed)
        capture.follow()
