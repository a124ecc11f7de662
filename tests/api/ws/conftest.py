"""A replica's socket side, whole: bridge, rooms and uvicorn on a free port, in the test's loop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
import uvloop
from fastapi import Depends, FastAPI
from redis.asyncio import Redis
from uvicorn import Server
from websockets.asyncio.client import ClientConnection, connect

from services.api.auth.access import Access
from services.api.auth.admission import Admission
from services.api.auth.doors import Doors
from services.api.auth.service import Auth, AuthOptions
from services.api.bridge import Bridge
from services.api.configuration import ConfigReader
from services.api.guards import Guard
from services.api.server import listen, make_server
from services.api.ws.logs import LogLimits
from services.api.ws.router import Rooms, open_rooms, ws_routes
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from tests.support.bus import FakeSupervisor, open_accounts
from tests.support.wait import wait_until


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of production: its transports differ from asyncio's in buffering and aborting."""
    return {"uvloop": uvloop.new_event_loop}


@dataclass
class Replica:
    """One running API process, but for its REST side."""

    port: int
    bridge: Bridge
    rooms: Rooms
    server: Server
    clients: AsyncExitStack
    stop: Callable[[], Awaitable[None]]

    def url(self, path: str) -> str:
        return f"ws://127.0.0.1:{self.port}{path}"

    async def client(self, path: str, **options: Any) -> ClientConnection:
        """A connected client, closed at the end of the test."""
        options = {"max_size": None, "compression": None, "max_queue": None} | options
        return await self.clients.enter_async_context(connect(self.url(path), **options))

    async def log_clients(self, count: int) -> None:
        """Return once the hub has that many clients."""
        hub = self.rooms.logs.hub
        await wait_until(lambda: len(hub.clients) == count, what=f"{count} log clients")


StartReplica = Callable[..., Awaitable[Replica]]


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest_asyncio.fixture
async def supervisor(redis_url: str, keys: Keys) -> AsyncIterator[FakeSupervisor]:
    """Of the shared Redis."""
    async with bus_client(redis_url) as client:
        yield FakeSupervisor(client, keys)


@asynccontextmanager
async def bus_client(url: str) -> AsyncIterator[Redis]:
    client = commands_client(url, "test")
    try:
        yield client
    finally:
        await client.aclose(close_connection_pool=True)


@pytest_asyncio.fixture
async def start_replica(keys: Keys) -> AsyncIterator[StartReplica]:
    """`await start_replica(url, ...)`: any number of replicas, stopped at the end."""
    async with AsyncExitStack() as stack:

        async def start(url: str, **options: Any) -> Replica:
            return await stack.enter_async_context(_replica(url, keys, **options))

        yield start


@asynccontextmanager
async def _replica(
    url: str,
    keys: Keys,
    *,
    log_limits: LogLimits | None = None,
    status_stuck_after: float = 10.0,
    user_timeout_ms: int = 10_000,
    wait: bool = True,
) -> AsyncIterator[Replica]:
    app = FastAPI(dependencies=[Depends(Access())])
    app.include_router(ws_routes())
    redis = commands_client(url, "test-api")
    bridge = Bridge(url, keys, redis)
    app.state.bridge, app.state.redis, app.state.keys = bridge, redis, keys
    app.state.auth = Auth(redis, keys, bridge, AuthOptions())
    config = ConfigReader(redis, keys, lambda: 0)
    admission = app.state.admission = Admission(app.state.auth, config)
    doors = Doors(app.routes)
    app.add_middleware(Guard, auth=app.state.auth, config=config, admission=admission, doors=doors)
    rooms = open_rooms(app.state, log_limits=log_limits, stuck_after=status_stuck_after)
    sock = listen("127.0.0.1", 0, user_timeout_ms)
    server = make_server(app)
    running = asyncio.create_task(bridge.run())
    serving = asyncio.create_task(server.serve(sockets=[sock]))

    async def stop() -> None:
        server.should_exit = True
        await serving

    clients = AsyncExitStack()
    try:
        await wait_until(lambda: server.started, what="uvicorn listens")
        if wait:
            assert await bridge.wait_connected(10)
            await open_accounts(redis, keys)
        port = sock.getsockname()[1]
        yield Replica(port, bridge, rooms, server, clients, stop)
    finally:
        with suppress(OSError):
            await clients.aclose()
        await stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await redis.aclose(close_connection_pool=True)
