"""Replicas as they run: the whole application on uvicorn, a free port, a Redis, a supervisor."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvloop
from fastapi import FastAPI

from services.api.app import create_app
from services.api.bridge import Bridge
from services.api.server import listen, make_server
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from tests.support.fake_supervisor import ScriptedSupervisor
from tests.support.wait import wait_until

CONFIG: dict[str, Any] = {
    "puid": 0,
    "dumb": {
        "onboarding_completed": False,
        "plex_token": "shown",
        "notifications": {"destinations": [{"id": "d", "url": "https://x/secret", "headers": {}}]},
        "media_protection": {"services": [{"process_name": "Plex", "api_key": "secret"}]},
        "api_service": {"enabled": True, "process_name": "DUMB API", "port": 8000},
        "frontend": {
            "process_name": "DUMB Frontend",
            "enabled": False,
            "repo_owner": "nicocapalbo",
            "repo_name": "dmbdb",
            "origins": ["http://nas.lan:3005"],
        },
    },
    "web": {"enabled": True, "process_name": "Web Server", "port": 18080, "command": ["x"]},
    "sonarr": {
        "instances": {
            "Default": {"enabled": False, "process_name": "Sonarr", "note": "offline mode"},
            "4K": {"enabled": True, "process_name": "Sonarr 4K"},
        }
    },
    "plex": {"process_name": "Plex", "dbrepair": {"process_name": "Plex DBRepair"}},
}
NAMES = ["DUMB API", "DUMB Frontend", "Web Server", "Sonarr", "Sonarr 4K", "Plex"]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of production."""
    return {"uvloop": uvloop.new_event_loop}


@dataclass
class Api:
    """One replica. `http` is a client of it."""

    port: int
    app: FastAPI
    http: httpx.AsyncClient

    @property
    def bridge(self) -> Bridge:
        found: Bridge = self.app.state.bridge
        return found

    async def post(self, action: str, name: Any, **options: Any) -> httpx.Response:
        """`POST /process/<action>-service`."""
        path = f"/process/{action}-service"
        return await self.http.post(path, json={"process_name": name}, **options)


StartApi = Callable[..., Awaitable[Api]]


@pytest.fixture
def keys() -> Keys:
    return Keys()


@pytest_asyncio.fixture
async def supervisor(redis_url: str, keys: Keys) -> AsyncIterator[ScriptedSupervisor]:
    """There, with `CONFIG` published, reading commands."""
    async with _supervisor(redis_url, keys) as found:
        await found.appear()
        await found.publish_config(CONFIG)
        yield found


@asynccontextmanager
async def _supervisor(url: str, keys: Keys) -> AsyncIterator[ScriptedSupervisor]:
    redis = commands_client(url, "test-supervisor")
    found = ScriptedSupervisor(redis, keys)
    running = asyncio.create_task(found.run())
    try:
        yield found
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await found.close()
        await redis.aclose(close_connection_pool=True)


@pytest_asyncio.fixture
async def start_api(keys: Keys) -> AsyncIterator[StartApi]:
    """`await start_api(url)`: any number of replicas, stopped at the end."""
    async with AsyncExitStack() as stack:

        async def start(url: str, *, wait: bool = True, hsts: bool = False) -> Api:
            return await stack.enter_async_context(_api(create_app(url, keys, hsts=hsts), wait))

        yield start


@asynccontextmanager
async def _api(app: FastAPI, wait: bool) -> AsyncIterator[Api]:
    sock = listen("127.0.0.1", 0)
    server = app.state.server = make_server(app)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    port = sock.getsockname()[1]
    try:
        await wait_until(lambda: server.started, what="uvicorn listens")
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=20, follow_redirects=False
        ) as http:
            api = Api(port, app, http)
            if wait:
                assert await api.bridge.wait_connected(10)
            yield api
    finally:
        server.should_exit = True
        await serving
        sock.close()


@pytest_asyncio.fixture
async def api(redis_url: str, supervisor: ScriptedSupervisor, start_api: StartApi) -> Api:
    """One replica beside a supervisor that is there."""
    assert supervisor is not None
    return await start_api(redis_url)
