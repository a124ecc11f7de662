"""What waits for one client of `/ws/logs`: bounded, oldest out first, losses counted."""

import asyncio
from collections import deque
from typing import Final

from services.api.ws.frames import Batch

MAX_BYTES: Final = 16 << 20
MAX_LINES: Final = 100_000
MAX_NOTICES: Final = 256
MAX_PONGS: Final = 64
"""Answers owed to a client that sends pings and does not read."""


class OutQueue:
    """Batches, notices and pongs for one writer task. Putting never waits."""

    def __init__(self, max_bytes: int = MAX_BYTES, max_lines: int = MAX_LINES) -> None:
        self._max_bytes = max_bytes
        self._max_lines = max_lines
        self._batches: deque[Batch] = deque()
        self._bytes = 0
        self._lines = 0
        self._dropped = 0
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self.pongs = 0
        self.notices: deque[str] = deque(maxlen=MAX_NOTICES)
        """Frames that are about the connection and not about a log."""
        self.dropped_total = 0

    def put(self, batch: Batch) -> None:
        """Queue a batch; what no longer fits is dropped, oldest first, but never the new one."""
        self._batches.append(batch)
        self._bytes += batch.size
        self._lines += batch.count
        while len(self._batches) > 1 and (
            self._bytes > self._max_bytes or self._lines > self._max_lines
        ):
            lost = self._batches.popleft()
            self._bytes -= lost.size
            self._lines -= lost.count
            self._dropped += lost.count
            self.dropped_total += lost.count
        self._filled.set()
        if self._bytes > self._max_bytes // 4:
            self._drained.clear()

    def put_pong(self) -> None:
        self.pongs = min(self.pongs + 1, MAX_PONGS)
        self._filled.set()

    def put_notice(self, frame: str) -> None:
        """Queue a frame that goes before the lines; of too many, the oldest is dropped."""
        self.notices.append(frame)
        self._filled.set()

    async def wait(self) -> None:
        """Return when there is something to take."""
        while not self._batches and not self.pongs and not self.notices:
            self._filled.clear()
            await self._filled.wait()

    async def room(self) -> None:
        """Return when the client has taken most of what waited: for senders that can pace."""
        await self._drained.wait()

    def take(self) -> tuple[Batch | None, int]:
        """The oldest batch, and how many lines were lost just before it."""
        if not self._batches:
            return None, 0
        batch = self._batches.popleft()
        self._bytes -= batch.size
        self._lines -= batch.count
        if self._bytes <= self._max_bytes // 4:
            self._drained.set()
        dropped, self._dropped = self._dropped, 0
        return batch, dropped
