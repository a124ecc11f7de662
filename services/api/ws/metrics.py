"""`/ws/metrics`: snapshots as they are taken; before them the past, for who asks.

One sample serves all clients of all replicas, and its JSON goes through untouched. Each client
thins the stream for itself. Rule for slow readers: the latest sample wins, and a client that takes
nothing for 10 s is closed with 1013.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError
from starlette.websockets import WebSocket

from services.api.bridge import Bridge
from services.api.charts.answers import Charts
from services.api.ws.query import INTERVAL_S, MetricsQuery, parse_metrics_query
from services.api.ws.session import STUCK_S, Sender, until_stuck
from shared.bus.keys import Keys
from shared.bus.metrics import read_latest

_T = TypeVar("_T")

_log = logging.getLogger(__name__)

RETRY_S: Final = 0.5
SLACK_S: Final = 0.25
"""Samples come a little early or late; a client of the same interval shall miss none."""


@dataclass(slots=True, eq=False)
class MetricsClient:
    """`offer` runs in the broadcast path and never waits. At most one frame waits here."""

    query: MetricsQuery
    clock: Callable[[], float]
    pending: str | None = None
    last_at: float = float("-inf")
    """When the last frame was put here."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def fast(self) -> bool:
        """Whether the usual pace is too slow for it."""
        return self.query.interval < INTERVAL_S[1]

    def offer(self, frame: str) -> None:
        """A sample. It replaces one that was not sent yet; one that comes too soon is skipped."""
        now = self.clock()
        slack = min(SLACK_S, self.query.interval / 4)
        if now - self.last_at < self.query.interval - slack:
            return
        self.pending, self.last_at = frame, now
        self.wake.set()

    async def take(self) -> str:
        while self.pending is None:
            self.wake.clear()
            await self.wake.wait()
        frame, self.pending = self.pending, None
        return frame


class MetricsRoom:
    """All clients of `/ws/metrics` of this replica."""

    def __init__(
        self,
        bridge: Bridge,
        redis: Redis,
        keys: Keys,
        charts: Charts,
        stuck_after: float = STUCK_S,
    ) -> None:
        self._bridge = bridge
        self._redis = redis
        self._keys = keys
        self._charts = charts
        self._stuck_after = stuck_after
        self._clients: set[MetricsClient] = set()
        bridge.on_metrics(self._on_snapshot)

    @property
    def client_count(self) -> int:
        return len(self._clients)

    async def serve(self, websocket: WebSocket) -> None:
        """One accepted socket, until it ends."""
        clock = asyncio.get_running_loop().time
        client = MetricsClient(parse_metrics_query(websocket.query_params), clock)
        sender = Sender(websocket)
        self._clients.add(client)
        self._bridge.acquire_metrics(fast=client.fast)
        try:
            work = (_receive(websocket), self._write(sender, client))
            await until_stuck(websocket, sender, self._stuck_after, *work)
        finally:
            self._clients.discard(client)
            self._bridge.release_metrics(fast=client.fast)

    def _on_snapshot(self, data: bytes) -> None:
        frame = _snapshot_frame(data)
        for client in self._clients:
            client.offer(frame)

    async def _write(self, sender: Sender, client: MetricsClient) -> None:
        latest = await self._until_redis_answers(lambda: read_latest(self._redis, self._keys))
        query = client.query
        if query.bootstrap or query.history:
            first = await self._until_redis_answers(
                lambda: self._charts.first_message(query, latest)
            )
            await sender.text(first)
        if latest is not None and not query.bootstrap:
            client.offer(_snapshot_frame(latest))
        while True:
            await sender.text(await client.take())

    async def _until_redis_answers(self, read: Callable[[], Awaitable[_T]]) -> _T:
        while True:
            try:
                return await read()
            except (RedisError, OSError) as error:
                _log.debug("A metrics client waits for Redis: %s", error)
                await asyncio.sleep(RETRY_S)


def _snapshot_frame(data: bytes) -> str:
    return '{"type":"snapshot","data":' + data.decode("utf-8", "replace") + "}"


async def _receive(websocket: WebSocket) -> None:
    """What clients say is read and ignored."""
    while (await websocket.receive())["type"] == "websocket.receive":
        pass
