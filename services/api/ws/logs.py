"""`/ws/logs`: display lines, or JSON frames, of all services or of those that are named."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, Final

import orjson
from redis.asyncio import Redis
from starlette.websockets import WebSocket

from services.api.auth.admission import accepted_protocol
from services.api.bridge import Bridge
from services.api.ws.catchup import CatchUp, parse_resume
from services.api.ws.frames import JsonBatch, TextBatch, dropped_line
from services.api.ws.hub import LogHub
from services.api.ws.logclient import LogClient, Position
from services.api.ws.outqueue import MAX_BYTES, MAX_LINES, OutQueue
from services.api.ws.query import parse_log_query
from services.api.ws.session import Sender, first_to_end, watch
from services.api.ws_protocol import control
from shared.bus.keys import Keys
from shared.config.names import nearest

TELL_AFTER_S: Final = 0.5
"""A client that resumes at once is told nothing."""
RESUME_WAIT_S: Final = 5.0
"""After telling it."""


@dataclass(frozen=True, slots=True)
class LogLimits:
    """What one client may cost. `stuck_after` in seconds."""

    max_bytes: int = MAX_BYTES
    max_lines: int = MAX_LINES
    stuck_after: float = 30.0


class LogRoom:
    """All clients of `/ws/logs`."""

    def __init__(
        self, bridge: Bridge, redis: Redis, keys: Keys, limits: LogLimits | None = None
    ) -> None:
        self.hub = LogHub(bridge, redis, keys)
        self._bridge = bridge
        self._redis = redis
        self._keys = keys
        self._limits = limits or LogLimits()
        self._dropped = 0
        """Of clients that are gone."""

    @property
    def dropped_lines(self) -> int:
        """Lines that clients were too slow for, since the start."""
        return self._dropped + sum(client.queue.dropped_total for client in self.hub.clients)

    async def serve(self, websocket: WebSocket) -> None:
        """One socket, not yet accepted, until it ends: once accepted it misses nothing."""
        query = parse_log_query(websocket.query_params)
        queue = OutQueue(self._limits.max_bytes, self._limits.max_lines)
        client = LogClient(query, queue, catching_up=query.resume or query.backlog > 0)
        try:
            await self.hub.join(client)
            work = CatchUp(self.hub, client, self._redis, self._keys)
            work.start_if_synced()  # before the client knows that it is accepted
            for name in sorted(query.names) if query.json else ():
                self._say_if_unknown(queue, name)
            await websocket.accept(accepted_protocol(websocket.scope))
            await self._run(websocket, client, work)
        finally:
            self.hub.leave(client)
            self._dropped += queue.dropped_total

    def _say_if_unknown(self, queue: OutQueue, name: str) -> None:
        """A name that no service has may be a typing error: say so instead of staying silent."""
        known = {*self._bridge.states, *(feed.process_name for feed in self.hub.feeds.values())}
        if known and name not in known:
            close = nearest(known, name)
            queue.put_notice(_notice("unknown", process_name=name, near=[close] if close else []))

    async def _run(self, websocket: WebSocket, client: LogClient, work: CatchUp) -> None:
        sender = Sender(websocket)
        resume: asyncio.Future[dict[str, Position]] = asyncio.get_running_loop().create_future()
        await first_to_end(
            _receive(websocket, client.queue, resume),
            _write(sender, client.queue),
            watch(sender, self._limits.stuck_after, control(websocket).abort),
            self._catch_up(client, work, resume),
        )

    async def _catch_up(
        self, client: LogClient, work: CatchUp, resume: asyncio.Future[dict[str, Position]]
    ) -> None:
        if client.catching_up:
            await work.start()
            cursors = await self._resumed(client, resume) if client.query.resume else None
            if cursors is not None:
                work.resume(cursors)
            elif client.query.backlog:
                await work.backlog()
            await work.follow()
        await asyncio.Event().wait()  # its end would end the socket

    async def _resumed(
        self, client: LogClient, resume: asyncio.Future[dict[str, Position]]
    ) -> dict[str, Position] | None:
        """The cursors of the resume message; None when none comes. A JSON client is told both."""
        tell = client.queue.put_notice if client.query.json else _nothing
        await asyncio.wait([resume], timeout=TELL_AFTER_S)
        if not resume.done():
            tell(_notice("waiting", waits_for="resume", timeout_s=RESUME_WAIT_S))
            await asyncio.wait([resume], timeout=RESUME_WAIT_S)
        if resume.done():
            return resume.result()
        tell(_notice("live", reason=f"No resume message came within {RESUME_WAIT_S:.0f} s."))
        return None


def _notice(kind: str, **fields: Any) -> str:
    return orjson.dumps({"type": kind, **fields}).decode()


def _nothing(_frame: str) -> None:
    """A client of text frames shows each of them as a line: it is told nothing."""


async def _receive(
    websocket: WebSocket, queue: OutQueue, resume: asyncio.Future[dict[str, Position]]
) -> None:
    """Answer pings, take the resume message, ignore everything else."""
    while (message := await websocket.receive())["type"] == "websocket.receive":
        tree = _parse(message.get("text"))
        if tree == "ping" or (isinstance(tree, dict) and tree.get("type") == "ping"):
            queue.put_pong()
        elif not resume.done() and (cursors := parse_resume(tree)) is not None:
            resume.set_result(cursors)


def _parse(text: str | None) -> Any:
    if text is None or text.strip() == "ping":
        return text and "ping"
    try:
        return orjson.loads(text)
    except ValueError:
        return None


async def _write(sender: Sender, queue: OutQueue) -> None:
    while True:
        await queue.wait()
        await _pong(sender, queue)
        while queue.notices:
            await sender.text(queue.notices.popleft())
        batch, dropped = queue.take()
        if isinstance(batch, JsonBatch):
            await sender.text(batch.frame(dropped))
        elif isinstance(batch, TextBatch):
            if dropped:
                await sender.text(dropped_line(dropped, time.time()))
            for line in batch.lines:
                if queue.pongs:
                    await _pong(sender, queue)
                await sender.text(line)


async def _pong(sender: Sender, queue: OutQueue) -> None:
    while queue.pongs:
        queue.pongs -= 1
        await sender.text("pong")
