"""Two replicas as they run, and a real supervisor that owns users.json."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvloop
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect

from services.api.app import create_app
from services.api.auth.service import Auth, AuthOptions
from services.api.bridge import Bridge
from services.api.server import listen, make_server
from shared.bus.keys import Keys
from tests.support.redis_server import PrivateRedis
from tests.support.supervisor import SupervisorProcess
from tests.support.wait import wait_until

PASSWORD = "correct horse"
SERVICES: dict[str, Any] = {
    "web": {
        "enabled": False,
        "process_name": "Web",
        "command": ["sleep", "100", "--token=abcdef123"],
        "api_key": "k-12345",
        "env": {"DB_PASSWORD": "hunter22", "PLAIN": "shown"},
    }
}


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of production."""
    return {"uvloop": uvloop.new_event_loop}


@dataclass
class Replica:
    """One API. `http` has no credentials of its own."""

    port: int
    app: FastAPI
    http: httpx.AsyncClient

    @property
    def auth(self) -> Auth:
        found: Auth = self.app.state.auth
        return found

    async def get(self, path: str, token: str | None = None) -> httpx.Response:
        return await self.http.get(path, headers=bearer(token))

    async def post(self, path: str, body: Any = None, token: str | None = None) -> httpx.Response:
        return await self.http.post(path, json=body, headers=bearer(token))

    async def put(self, path: str, body: Any, token: str | None = None) -> httpx.Response:
        return await self.http.put(path, json=body, headers=bearer(token))

    async def delete(self, path: str, token: str | None = None) -> httpx.Response:
        return await self.http.delete(path, headers=bearer(token))

    async def login(self, username: str = "alice", password: str = PASSWORD) -> "Pair":
        answer = await self.post("/auth/login", {"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        return Pair.of(answer)

    async def socket(self, path: str, **options: Any) -> ClientConnection:
        return await self.socket_at(f"ws://127.0.0.1:{self.port}{path}", **options)

    async def socket_at(self, url: str, **options: Any) -> ClientConnection:
        """Under a name of the test's: the connection goes to this replica."""
        return await connect(url, host="127.0.0.1", port=self.port, **options)


@dataclass
class Pair:
    """What a login gives."""

    access: str
    refresh: str

    @classmethod
    def of(cls, answer: httpx.Response) -> "Pair":
        tree = answer.json()
        assert tree["token_type"] == "bearer"
        assert set(tree) == {"access_token", "refresh_token", "token_type"}
        return cls(tree["access_token"], tree["refresh_token"])


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


@dataclass
class Stack:
    """A supervisor and its replicas."""

    supervisor: SupervisorProcess
    start: Callable[..., Awaitable[Replica]]
    replicas: list[Replica] = field(default_factory=list)

    @property
    def one(self) -> Replica:
        return self.replicas[0]

    @property
    def two(self) -> Replica:
        return self.replicas[1]

    @property
    def users_file(self) -> Path:
        return self.supervisor.home / "users.json"

    async def setup(self, username: str = "alice", password: str = PASSWORD) -> Pair:
        """The first user."""
        answer = await self.one.post("/auth/setup", {"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        return Pair.of(answer)

    async def add(self, token: str, username: str, role: str = "admin") -> Pair:
        """Another user, logged in."""
        body = {"username": username, "password": PASSWORD, "role": role}
        answer = await self.one.post("/auth/users", body, token)
        assert answer.status_code == 200, answer.text
        return await self.two.login(username)


@pytest_asyncio.fixture
async def start_replica() -> AsyncIterator[Callable[..., Awaitable[Replica]]]:
    async with AsyncExitStack() as stack:

        async def start(url: str, **options: Any) -> Replica:
            return await stack.enter_async_context(_replica(url, **options))

        yield start


@asynccontextmanager
async def _replica(url: str, *, wait: bool = True, **options: Any) -> AsyncIterator[Replica]:
    app = create_app(url, Keys(), auth_options=AuthOptions(**options))
    sock = listen("127.0.0.1", 0)
    server = make_server(app)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    port = sock.getsockname()[1]
    try:
        await wait_until(lambda: server.started, what="uvicorn listens")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            bridge: Bridge = app.state.bridge
            if wait:
                assert await bridge.wait_connected(10)
            yield Replica(port, app, http)
    finally:
        server.should_exit = True
        await serving
        sock.close()


@pytest.fixture
def supervisor(redis_url: str, tmp_path: Path) -> Iterator[SupervisorProcess]:
    """Not started yet: a test may put a users.json in its place first."""
    found = SupervisorProcess(tmp_path / "home", redis_url, SERVICES)
    yield found
    found.close()


@pytest_asyncio.fixture
async def stack(
    redis_url: str,
    supervisor: SupervisorProcess,
    start_replica: Callable[..., Awaitable[Replica]],
) -> Stack:
    """Two replicas and a supervisor without users."""
    supervisor.start()
    found = Stack(supervisor, start_replica)
    found.replicas = [await start_replica(redis_url), await start_replica(redis_url)]
    return found


@pytest.fixture
def own_supervisor(fresh_redis: PrivateRedis, tmp_path: Path) -> Iterator[SupervisorProcess]:
    """On a Redis that the test may stop."""
    found = SupervisorProcess(tmp_path / "own", fresh_redis.url, SERVICES)
    yield found
    found.close()
