"""`/ws/status`: the running services, at once when something changes and at every interval."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from starlette.websockets import WebSocket

from services.api.bridge import Bridge
from services.api.situation import Situation, SituationReader
from services.api.ws.query import StatusQuery, parse_status_query
from services.api.ws.session import STUCK_S, Sender, until_stuck
from services.api.ws.status_board import is_running, render, render_jobs
from shared.bus.jobs import JobNews
from shared.models.service import ServiceState

MAX_JOBS: Final = 500
"""Jobs of which a client is owed news; of more, the oldest news is dropped."""
MAX_OWED: Final = 8
"""Extra frames owed to a client that asked for them. Each shows the state when it is sent."""


@dataclass(slots=True, eq=False)
class StatusClient:
    """What one client is owed. Frames are made when they are sent, so the latest state wins."""

    query: StatusQuery
    left: set[str] = field(default_factory=set)
    """Services that stopped since its last frame."""
    changed: bool = False
    jobs: dict[str, JobNews] = field(default_factory=dict)
    """News of background jobs since its last frame, the last of each."""
    jobs_begun: bool = False
    """Whether it was shown the open ones."""
    owed: int = 1
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def ask(self) -> None:
        """The client wants a frame now."""
        self.owed = min(self.owed + 1, MAX_OWED)
        self.wake.set()


class StatusRoom:
    """All clients of `/ws/status`. A frame is rendered once per state, not once per client."""

    def __init__(
        self,
        bridge: Bridge,
        situations: SituationReader | None = None,
        stuck_after: float = STUCK_S,
    ) -> None:
        self._bridge = bridge
        self._situations = situations
        self._situation = Situation()
        self._stuck_after = stuck_after
        self._clients: set[StatusClient] = set()
        self._running = {name for name, state in bridge.states.items() if is_running(state)}
        self._frames: dict[tuple[bool, frozenset[str]], str] = {}
        bridge.on_state(self._on_state)
        bridge.on_job(self._on_job)

    async def serve(self, websocket: WebSocket) -> None:
        """One accepted socket, until it ends."""
        client = StatusClient(parse_status_query(websocket.query_params))
        sender = Sender(websocket)
        self._clients.add(client)
        try:
            work = (_receive(websocket, client), self._write(sender, client))
            await until_stuck(websocket, sender, self._stuck_after, *work)
        finally:
            self._clients.discard(client)

    @property
    def client_count(self) -> int:
        return len(self._clients)

    def _on_state(self, name: str, state: ServiceState | None) -> None:
        self._frames.clear()
        was, now = name in self._running, is_running(state)
        if now:
            self._running.add(name)
        else:
            self._running.discard(name)
        for client in self._clients:
            if was and not now:
                client.left.add(name)
            elif now:
                client.left.discard(name)
            client.changed = True
            client.wake.set()

    def _on_job(self, news: JobNews) -> None:
        for client in self._clients:
            if client.query.jobs and client.jobs_begun:
                client.jobs[news.id] = news
                while len(client.jobs) > MAX_JOBS:
                    client.jobs.pop(next(iter(client.jobs)))
                client.wake.set()

    def _jobs_frame(self, client: StatusClient) -> str:
        """What the client does not know of the jobs; "" when there is nothing."""
        if not client.query.jobs:
            return ""
        news = list(client.jobs.values())
        if not client.jobs_begun:
            client.jobs_begun, news = True, list(self._bridge.open_jobs.values())
        elif not news:
            return ""
        client.jobs.clear()
        return render_jobs(news)

    async def _write(self, sender: Sender, client: StatusClient) -> None:
        clock = asyncio.get_running_loop().time
        interval = client.query.interval
        next_beat = clock() + interval
        last = ""
        while True:
            client.wake.clear()
            if clock() >= next_beat:
                client.owed = max(client.owed, 1)
                next_beat += interval * (1 + (clock() - next_beat) // interval)
            if client.owed or client.changed:
                frame = self._frame(client)
                # A change that this client cannot see is no news.
                if client.owed or frame != last:
                    client.owed = max(client.owed - 1, 0)
                    last = frame
                    await sender.text(frame)
                continue
            if jobs := self._jobs_frame(client):
                await sender.text(jobs)
                continue
            try:
                async with asyncio.timeout_at(next_beat):
                    await client.wake.wait()
            except TimeoutError:
                continue

    def _frame(self, client: StatusClient) -> str:
        client.changed = False
        left = frozenset(client.left) if client.query.health else frozenset()
        client.left.clear()
        if client.query.health and self._situations is not None:
            situation = self._situations.peek()
            if situation is not self._situation:
                self._situation = situation
                self._frames.clear()
        key = (client.query.health, left)
        frame = self._frames.get(key)
        if frame is None:
            health = client.query.health
            frame = render(self._bridge.states, left, health=health, situation=self._situation)
            self._frames[key] = frame
        return frame


async def _receive(websocket: WebSocket, client: StatusClient) -> None:
    """Any frame, text or bytes, asks for a message."""
    while (await websocket.receive())["type"] == "websocket.receive":
        client.ask()
