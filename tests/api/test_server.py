"""The program as it is started: how it listens, and how it ends."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from services.api.server import ListenError, listen
from shared.bus.client import commands_client
from shared.bus.keys import Keys
from tests.api.ws.test_slow_clients import stalled_client
from tests.support.bus import FakeSupervisor, open_accounts
from tests.support.redis_server import free_port
from tests.support.wait import wait_until

KEYS = Keys()


class Program:
    """One `python -m services.api`."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process = process
        self.port = port

    async def connect(self, path: str) -> ClientConnection:
        """A socket, as soon as the program listens."""
        found: list[ClientConnection] = []

        async def connected() -> bool:
            assert self.process.returncode is None
            try:
                found.append(await connect(f"ws://127.0.0.1:{self.port}{path}"))
            except OSError:
                return False
            return True

        await wait_until(connected, timeout=20, what="the API listens")
        return found[0]


@pytest_asyncio.fixture
async def program(redis_url: str, tmp_path: Path) -> AsyncIterator[Program]:
    port = free_port()
    env = os.environ | {
        "REDIS_URL": redis_url,
        "DUMB_HOME": str(tmp_path),
        "DUMB_API_SERVICE_HOST": "127.0.0.1",
        "DUMB_API_SERVICE_PORT": str(port),
    }
    command = [sys.executable, "-W", "error", "-m", "services.api"]
    process = await asyncio.create_subprocess_exec(*command, env=env)
    yield Program(process, port)
    if process.returncode is None:
        process.kill()
    await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_closes_sockets_with_1012_and_ends_the_program(
    program: Program, redis_url: str, number: signal.Signals
) -> None:
    redis = commands_client(redis_url, "test")
    await open_accounts(redis, KEYS)
    logs = await program.connect("/ws/logs?process_name=Other")
    status = await program.connect("/ws/status")
    supervisor = FakeSupervisor(redis, KEYS)
    with stalled_client(program.port, "/ws/logs"):
        for _ in range(100):  # more than the kernel buffers
            await supervisor.log("Svc", ["x" * 1000] * 100)
        await redis.aclose(close_connection_pool=True)
        program.process.send_signal(number)
        for client in (logs, status):
            with pytest.raises(ConnectionClosed) as closed:
                await _read_all(client)
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1012
        # The stalled client must not hold it up; Docker kills after 10 s.
        async with asyncio.timeout(8):
            assert await program.process.wait() == 0


async def _read_all(client: ClientConnection) -> None:
    while True:
        await client.recv()


def test_a_taken_port_is_said_in_a_sentence() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"Port {port} on 127.0.0.1 is taken"):
            listen("127.0.0.1", port)
    with pytest.raises(ListenError, match=r"Cannot listen on 192\.0\.2\.1 port 80"):
        listen("192.0.2.1", 80)
