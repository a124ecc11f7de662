"""Two replicas as they run, and a real supervisor over a configuration of the original's shape."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest_asyncio
import uvloop

from services.api.app import create_app
from services.api.bridge import Bridge
from services.api.server import listen, make_server
from shared.bus.keys import Keys
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until

SERVICES: dict[str, Any] = {
    "web": {
        "process_name": "Web",
        "enabled": False,
        "command": ["sleep", "1000"],
        "config_dir": "work/web",
        "start_window": 0,
        "stop_wait": 5,
        "port_note": 1,
        "api_key": "k-12345",
        "env": {"DB_PASSWORD": "hunter22", "PLAIN": "shown"},
    },
    "sonarr": {
        "instances": {
            "De.fault": {"process_name": "Sonarr", "enabled": False, "port": 8989, "env": {}}
        }
    },
    "seerr_sync": {"enabled": False},
}
UI = {"sidebar": {"compact_mode": False}}
DUMB: dict[str, Any] = {
    "ui": UI,
    "plex_token": "ptok",
    "onboarding_completed": False,
    "notifications": {
        "destinations": [{"id": "d1", "url": "https://x/secret", "headers": {"A": "b"}}]
    },
}


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of production."""
    return {"uvloop": uvloop.new_event_loop}


class ConfigSupervisor(SupervisorProcess):
    """A supervisor with variables of its own, and words for its file."""

    def file(self) -> Any:
        """What stands in the file now."""
        return orjson.loads(self.config.read_bytes())

    def version(self) -> int:
        """The published version."""
        raw: Any = self.redis.get("dumb:config:version")
        return int(raw)


@dataclass
class Desk:
    """A supervisor and two replicas."""

    supervisor: ConfigSupervisor
    one: httpx.AsyncClient
    two: httpx.AsyncClient

    async def get(self, name: str | None = None, **query: Any) -> httpx.Response:
        """`GET /config` of the second replica."""
        shown = {"process_name": name, **query} if name else query
        return await self.two.get("/config", params=shown)

    async def block(self, name: str = "Web") -> Any:
        return (await self.get(name)).json()

    async def update(
        self, name: str | None, updates: Any, *, persist: bool = False, **options: Any
    ) -> httpx.Response:
        """`POST /config` of the first replica."""
        body = {"process_name": name, "updates": updates, "persist": persist}
        return await self.one.post("/config/", json=body, **options)

    def file(self) -> Any:
        return self.supervisor.file()


@asynccontextmanager
async def replica(url: str) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(url, Keys())
    sock = listen("127.0.0.1", 0)
    server = make_server(app)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    port = sock.getsockname()[1]
    try:
        await wait_until(lambda: server.started, what="uvicorn listens")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            bridge: Bridge = app.state.bridge
            assert await bridge.wait_connected(10)
            yield http
    finally:
        server.should_exit = True
        await serving
        sock.close()


@pytest_asyncio.fixture
async def desk(redis_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    """Started, with `SERVICES` and `DUMB`."""
    supervisor = ConfigSupervisor(tmp_path / "home", redis_url, {})
    supervisor.write_config(SERVICES, **DUMB)
    (supervisor.home / ".env").write_text("SEERR_SYNC_ENABLED=true\nWEB_API_KEY='env-key'\n")
    try:
        supervisor.start()
        async with AsyncExitStack() as stack:
            one = await stack.enter_async_context(replica(redis_url))
            two = await stack.enter_async_context(replica(redis_url))
            yield Desk(supervisor, one, two)
    finally:
        supervisor.close()
