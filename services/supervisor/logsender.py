"""From the logs on disk to Redis: whatever is behind is read back from the file and sent.

Nothing is queued in memory: the file is the queue. A Redis that was away, wiped or restored
from an old file is brought up to date by comparing one number (docs/protocol.md, "Logs").
"""

import asyncio
import logging
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from services.supervisor.logs import LogFeed, LogShelf
from services.supervisor.logstore import LogStore
from services.supervisor.refusals import refused
from shared.bus.claim import Fence
from shared.bus.keys import Keys
from shared.models.log import LogChunk, chunk_header

_log = logging.getLogger(__name__)

CHUNK_BYTES: Final = 128 << 10
PER_LOG_BYTES: Final = 2 << 20
TOTAL_BYTES: Final = 128 << 20
"""How much of a log, and of all logs together, Redis keeps."""

LAG_HIGH: Final = 8 << 20
LAG_LOW: Final = 2 << 20
"""A service whose log is this far ahead of a reachable Redis has to wait (bytes)."""


class LogSender:
    """One task per connection sends what is new, many logs in one round trip."""

    def __init__(self, shelf: LogShelf, keys: Keys, fence: Fence) -> None:
        self._shelf = shelf
        self._fence = fence
        self._keys = keys
        self._dirty: dict[str, LogFeed] = {}
        self._wake = asyncio.Event()
        self._space = asyncio.Event()
        self._space.set()
        self.connected = False
        shelf.on_append = self.grew

    def grew(self, feed: LogFeed) -> None:
        """A log has new bytes."""
        self._dirty[feed.name] = feed
        self._wake.set()

    def lagging(self, feed: LogFeed) -> bool:
        """Whether the log's writer should pause, because a Redis that answers is behind."""
        return self.connected and feed.sent >= 0 and feed.store.size - feed.sent > LAG_HIGH

    async def room(self, feed: LogFeed) -> None:
        """Return when the log is no longer far ahead, or Redis is away."""
        while self.connected and feed.store.size - feed.sent > LAG_LOW:
            self._space.clear()
            await self._space.wait()

    async def drained(self) -> None:
        """Return when Redis has every line, or is away."""
        while self.connected and self._dirty:
            self._space.clear()
            await self._space.wait()

    async def run(self, redis: Redis) -> None:
        """Send until the connection breaks. Raises what redis-py raises."""
        for feed in self._shelf.feeds.values():
            feed.sent = -1
            self._dirty[feed.name] = feed
        self.connected = True
        try:
            while True:
                self._wake.clear()
                while self._dirty:
                    await self._round(redis)
                    self._space.set()
                await self._wake.wait()
        finally:
            self.connected = False
            self._space.set()

    async def _round(self, redis: Redis) -> None:
        """One chunk of every log that is behind, in one round trip."""
        feeds = list(self._dirty.values())
        for feed in feeds:
            if feed.sent < 0:
                await self._compare(redis, feed)
        pipe = redis.pipeline(transaction=False)
        batch: list[tuple[LogFeed, int]] = []
        for feed in feeds:
            data = self._next(feed)
            if not data:
                self._dirty.pop(feed.name, None)
                continue
            end = feed.sent + len(data)
            keys = (self._keys.log(feed.name), self._keys.logmeta(feed.name))
            self._fence.add_chunk(pipe, keys, self._arguments(feed, data, end))
            batch.append((feed, end))
        if not batch:
            return
        results = await pipe.execute(raise_on_error=False)
        for (feed, end), result in zip(batch, results, strict=True):
            if isinstance(result, ResponseError):
                await self._start_over(redis, feed, result)
            elif isinstance(result, Exception):
                raise result
            elif result == 0:
                # Our own chunk of before, or somebody's entry with an id far ahead of us.
                feed.sent = -1
            else:
                feed.sent = end
                feed.announced = max(feed.announced, end)

    def _next(self, feed: LogFeed) -> bytes:
        """Whole lines behind what Redis has; what rotation already removed is skipped."""
        store = feed.store
        if feed.sent >= store.size:
            return b""
        data = store.read(feed.sent, CHUNK_BYTES)
        if not data:
            feed.sent = max(store.oldest, feed.sent + 1) if feed.sent < store.oldest else store.size
            data = store.read(feed.sent, CHUNK_BYTES)
        cut = data.rfind(b"\n") + 1
        if cut:
            return data[:cut]
        # One line longer than a chunk: the cap on a line bounds what is read now.
        data = store.read(feed.sent, 2 << 20)
        return data[: data.find(b"\n") + 1] or data

    def _arguments(self, feed: LogFeed, data: bytes, end: int) -> list[Any]:
        keep = min(PER_LOG_BYTES, TOTAL_BYTES // max(len(self._shelf.feeds), 1))
        header = chunk_header(
            LogChunk(
                log_name=feed.name,
                process_name=feed.process_name,
                generation=feed.store.generation,
                start=feed.sent,
                end=end,
                data=b"",
                quiet=feed.quiet,
                live=feed.live,
            )
        )
        channel = self._keys.log_channel(feed.name) if end > feed.announced else ""
        return [
            f"{end}-0",
            data,
            f"{max(0, end - keep)}-0",
            feed.store.generation,
            end,
            channel,
            header,
            data.count(b"\n"),
            feed.store.lost,
        ]

    # -- reconciling -----------------------------------------------------------------------

    async def _compare(self, redis: Redis, feed: LogFeed) -> None:
        """Find out what Redis has of a log."""
        store = feed.store
        last, generation = await self._published(redis, feed)
        if last is None:
            feed.sent = _first_retained(store)
        elif last > store.size or generation != store.generation:
            await self._wipe(redis, feed)
        else:
            feed.sent = last
            feed.announced = min(feed.announced, last)

    async def _published(self, redis: Redis, feed: LogFeed) -> tuple[int | None, str]:
        try:
            info = await redis.xinfo_stream(self._keys.log(feed.name))
        except ResponseError as error:
            if "no such key" in str(error):
                return None, ""
            return 1 << 62, ""  # a key of another type: wipe it
        raw: Any = await redis.hget(self._keys.logmeta(feed.name), "generation")
        generation = raw.decode("ascii", "replace") if raw else ""
        return int(bytes(info["last-generated-id"]).split(b"-")[0]), generation

    async def _wipe(self, redis: Redis, feed: LogFeed) -> None:
        """The stream is ahead of us, or another log's: clients must see that it starts anew."""
        _log.warning("the log of %s in Redis is not ours: starting it anew", feed.name)
        keys = (self._keys.log(feed.name), self._keys.logmeta(feed.name))
        await self._fence.write(redis, ("DEL", *keys))
        feed.store.new_generation()
        feed.sent = _first_retained(feed.store)
        feed.announced = feed.store.size

    async def _start_over(self, redis: Redis, feed: LogFeed, error: ResponseError) -> None:
        if refused(error):
            raise error
        _log.warning("Redis refused a chunk of %s (%s)", feed.name, error)
        await self._wipe(redis, feed)


def _first_retained(store: LogStore) -> int:
    """Where the part of a log starts that Redis keeps: on a line."""
    start = max(store.oldest, store.size - PER_LOG_BYTES)
    if start > store.oldest:
        start += store.read(start, CHUNK_BYTES).find(b"\n") + 1
    return start
