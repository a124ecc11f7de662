"""Live log lines of all services to all clients of `/ws/logs`, without gap and without double.

Pub/sub loses messages while a connection is down. Every chunk carries its offsets, and every chunk
was in its stream before it was published, so the hub notices what is missing and reads it there.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.api.bridge import Bridge
from services.api.ws.frames import Rendered
from services.api.ws.logclient import Feed, LogClient
from shared.bus.keys import Keys
from shared.bus.logs import LogHead, LogPart, chunks_after, read_heads
from shared.logcursor import Chunk
from shared.models.log import LogChunk

log = logging.getLogger(__name__)

RETRY_S: Final = 0.3
JOIN_WAIT_S: Final = 2.0
"""How long a new client waits for the subscription; with Redis away it is let in all the same."""


class LogHub:
    """Subscribed while it has clients."""

    def __init__(self, bridge: Bridge, redis: Redis, keys: Keys) -> None:
        self.feeds: dict[str, Feed] = {}
        self.clients: set[LogClient] = set()
        self.synced = asyncio.Event()
        """Set when every log's position is known; from then on an unknown log is a new one."""
        self._bridge = bridge
        self._redis = redis
        self._keys = keys
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading_positions = False
        bridge.on_log(self._on_chunk)
        bridge.on_log_sync(self._on_subscribed)

    async def join(self, client: LogClient) -> None:
        """Add a client; when this returns, it misses nothing any more. Pair with `leave`."""
        self.clients.add(client)
        if len(self.clients) == 1:
            self._bridge.acquire_logs()
        try:
            async with asyncio.timeout(JOIN_WAIT_S):
                await self.synced.wait()
        except TimeoutError:
            log.debug("A log client joins while Redis is away")

    def leave(self, client: LogClient) -> None:
        """Remove a client. The last one ends the subscription."""
        if client not in self.clients:
            return
        self.clients.discard(client)
        if not self.clients:
            self._bridge.release_logs()
            self.synced.clear()
            self.feeds.clear()
            for task in self._tasks:
                task.cancel()

    async def read_after(self, log_name: str, generation: str, cursor: int) -> LogPart:
        """Chunks of a log from Redis, tried until Redis answers."""
        while True:
            try:
                return await chunks_after(self._redis, self._keys, log_name, generation, cursor)
            except (RedisError, OSError) as error:
                log.debug("Reading the log of %s failed: %s", log_name, error)
                await asyncio.sleep(RETRY_S)

    def learn(self, feed: Feed, generation: str, size: int) -> None:
        """Redis has this much of a log: deliver what is missing."""
        if generation != feed.generation:
            feed.adopt(generation, size)
        feed.seen = max(feed.seen, size)
        if feed.end < feed.seen and not feed.filling:
            feed.filling = True
            self._spawn(self._fill(feed))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_subscribed(self) -> None:
        self._reading_positions = True
        self._spawn(self._read_positions())

    async def _read_positions(self) -> None:
        while True:
            try:
                heads = await read_heads(self._redis, self._keys)
                break
            except (RedisError, OSError) as error:
                log.debug("Reading the logs' positions failed: %s", error)
                await asyncio.sleep(RETRY_S)
        known = self.synced.is_set()
        for head in heads:
            feed = self.feeds.get(head.log_name)
            if feed is None:
                feed = self.feeds[head.log_name] = _feed_of(head, 0 if known else head.size)
            self.learn(feed, head.generation, head.size)
        self._reading_positions = False
        self.synced.set()

    def _on_chunk(self, chunk: LogChunk) -> None:
        if not self.clients:
            return
        feed = self.feeds.get(chunk.log_name)
        if feed is None:
            # A log that appeared while the connection was down has to be read from its start.
            missed = self.synced.is_set() and self._reading_positions
            start = 0 if missed else chunk.start
            feed = Feed(chunk.log_name, chunk.process_name, chunk.generation, start, start)
            self.feeds[chunk.log_name] = feed
        feed.process_name, feed.quiet, feed.live = chunk.process_name, chunk.quiet, chunk.live
        if feed.generation != chunk.generation:
            feed.restart(chunk.generation, chunk.start)
        if chunk.start > feed.end or feed.filling:
            self.learn(feed, chunk.generation, chunk.end)
        elif chunk.end > feed.end:
            feed.seen = max(feed.seen, chunk.end)
            self._deliver(feed, Chunk(chunk.start, chunk.data).after(feed.end))

    async def _fill(self, feed: Feed) -> None:
        """Deliver what the stream has and the channel did not bring, until both are level."""
        try:
            while feed.end < feed.seen:
                generation, seen = feed.generation, feed.seen
                part = await self.read_after(feed.log_name, generation, feed.end)
                if feed.generation != generation:
                    continue
                if part.generation not in {generation, ""}:
                    feed.adopt(part.generation, part.size)
                    continue
                self._deliver_part(feed, part, seen)
        finally:
            feed.filling = False

    def _deliver_part(self, feed: Feed, part: LogPart, seen: int) -> None:
        feed.fresh = feed.fresh or part.reset
        for piece in part.chunks:
            if piece.end > feed.end:
                self._deliver(feed, piece.after(feed.end))
        if not part.chunks and feed.end < seen:
            feed.end = seen  # trimmed away before it could be read
            feed.fresh = True

    def _deliver(self, feed: Feed, piece: Chunk) -> None:
        rendered = Rendered(
            feed.process_name, feed.generation, piece.end, piece.data, reset=feed.fresh
        )
        feed.end = piece.end
        feed.fresh = False
        for client in self.clients:
            client.offer(feed, piece, rendered)


def _feed_of(head: LogHead, end: int) -> Feed:
    return Feed(
        head.log_name, head.process_name, head.generation, end, end, head.quiet, head.live
    )  # fmt: skip
