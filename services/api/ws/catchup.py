"""From older lines to live ones without a gap: `backlog` and `resume` of `/ws/logs`.

Live chunks are not kept for a client that is behind. Each of them is in its stream before it is
published, so reading on until nothing is missing and switching over in the same step of the event
loop loses nothing and needs no memory.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.api.ws.backlog import Line, lines_of, merge
from services.api.ws.frames import Rendered
from services.api.ws.hub import RETRY_S, LogHub
from services.api.ws.logclient import Feed, LogClient, Position
from services.api.ws.query import MAX_BACKLOG_LINES
from shared.bus.keys import Keys
from shared.bus.logs import LogPart, last_lines
from shared.logcursor import Chunk


def parse_resume(message: Any) -> dict[str, Position] | None:
    """`{"type":"resume","cursors":{name:[file_id, cursor]}}`. None when it is none."""
    if not isinstance(message, dict) or message.get("type") != "resume":
        return None
    cursors = message.get("cursors")
    found: dict[str, Position] = {}
    for name, value in cursors.items() if isinstance(cursors, dict) else ():
        if isinstance(value, list) and len(value) == 2:
            file_id, cursor = value
            if isinstance(file_id, str) and isinstance(cursor, int):
                found[name] = (file_id, cursor)
    return found


class CatchUp:
    """Brings one client from where it stands to where the hub is. `client.catching_up` is set."""

    def __init__(self, hub: LogHub, client: LogClient, redis: Redis, keys: Keys) -> None:
        self._hub = hub
        self._client = client
        self._redis = redis
        self._keys = keys
        self._started = False
        self._positions: dict[str, Position] = {}
        self._claimed: set[str] = set()
        """Logs whose position is the client's word, still to be held against Redis."""

    def start_if_synced(self) -> None:
        """Remember where every log is now: nothing after this may be missed."""
        if not self._started and self._hub.synced.is_set():
            self._positions = {feed.log_name: feed.position for feed in self._hub.feeds.values()}
            self._started = True

    async def start(self) -> None:
        """As soon as the hub knows the logs, unless that was so before."""
        await self._hub.synced.wait()
        self.start_if_synced()

    def resume(self, cursors: Mapping[str, Position]) -> None:
        """Continue where the client says it was."""
        for feed in self._hub.feeds.values():
            if feed.live and feed.process_name in cursors:
                self._positions[feed.log_name] = cursors[feed.process_name]
                self._claimed.add(feed.log_name)

    async def backlog(self) -> None:
        """Send the last lines of the selected logs."""
        query = self._client.query
        # With a level, more has to be read than is sent.
        wanted = MAX_BACKLOG_LINES if query.level else query.backlog
        feeds = [feed for feed in self._hub.feeds.values() if self._client.wants(feed)]
        logs: list[list[Line]] = []
        generations: list[str] = []
        for number, feed in enumerate(feeds):
            part = await self._last_lines(feed, wanted)
            chunks = part.chunks if part else []
            logs.append(lines_of(number, chunks, query.level, query.backlog))
            generations.append(part.generation if part else "")
            if part and chunks:
                self._positions[feed.log_name] = (part.generation, chunks[-1].end)
        for run in merge(logs, query.backlog):
            name = feeds[run.log].process_name
            self._client.put(Rendered(name, generations[run.log], run.end, run.data))

    async def follow(self) -> None:
        """Read on until the client has all that the hub has delivered, then let it go live."""
        while True:
            behind = [feed for feed in self._hub.feeds.values() if self._is_behind(feed)]
            if not behind:
                break
            for feed in behind:
                await self._client.queue.room()
                await self._read_on(feed)
        self._client.ahead = {
            feed.log_name: self._positions[feed.log_name]
            for feed in self._hub.feeds.values()
            if self._positions.get(feed.log_name, feed.position)[1] > feed.end
        }
        self._client.catching_up = False

    def _is_behind(self, feed: Feed) -> bool:
        if not self._client.wants(feed):
            return False
        if feed.log_name in self._claimed:
            return True
        generation, end = self._positions.get(feed.log_name, feed.first)
        return generation != feed.generation or end < feed.end

    async def _read_on(self, feed: Feed) -> None:
        generation, cursor = self._positions.get(feed.log_name, feed.first)
        before = feed.position
        part = await self._hub.read_after(feed.log_name, generation, cursor)
        self._claimed.discard(feed.log_name)
        reset = part.reset
        for piece in part.chunks:
            self._put(feed, part.generation, piece, reset=reset)
            reset = False
        if reset:  # and nothing is left: whatever comes next is new
            self._put(feed, part.generation, Chunk(part.size, b""), reset=True)
            self._positions[feed.log_name] = before
        elif part.generation != feed.generation:
            self._hub.learn(feed, part.generation, part.size)
        elif not part.chunks and self._is_behind(feed):
            await asyncio.sleep(RETRY_S)  # Redis has less than it had: it is being filled again

    def _put(self, feed: Feed, generation: str, piece: Chunk, *, reset: bool) -> None:
        rendered = Rendered(feed.process_name, generation, piece.end, piece.data, reset=reset)
        self._client.put(rendered)
        self._positions[feed.log_name] = (generation, piece.end)

    async def _last_lines(self, feed: Feed, count: int) -> LogPart | None:
        while True:
            try:
                return await last_lines(self._redis, self._keys, feed.log_name, count)
            except (RedisError, OSError):
                await asyncio.sleep(RETRY_S)
